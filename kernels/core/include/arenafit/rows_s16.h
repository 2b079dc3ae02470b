/* Kernels that make one row of a tensor of int16_t, as rows.h has them for int8_t. Zero points are
 * 0, weights are int8_t. */
#ifndef ARENAFIT_ROWS_S16_H_
#define ARENAFIT_ROWS_S16_H_

#include <stdint.h>

#include "arenafit/program.h"

#ifdef __cplusplus
extern "C" {
#endif

/* What arenafit_conv_s16 has at offsets. */
typedef struct {
  const int8_t* weights;
  const int32_t* bias;
  const int32_t* multipliers;
  const int8_t* shifts;
} arenafit_conv_data_s16;

/* rows   window.kernel_h of them, NULL where the window is above or below the image */
void arenafit_conv_2d_row_s16(const arenafit_conv_s16* params, const arenafit_conv_data_s16* data,
                              const arenafit_tensor* input, const int16_t* const* rows,
                              const arenafit_tensor* output, int16_t* out);
void arenafit_depthwise_conv_2d_row_s16(const arenafit_conv_s16* params,
                                        const arenafit_conv_data_s16* data,
                                        const arenafit_tensor* input, const int16_t* const* rows,
                                        const arenafit_tensor* output, int16_t* out);

/* What row number `y` of the input adds to the sums. The first begins them, the last makes `out` of
 * them. `sums` may be NULL where there is one row. */
void arenafit_fully_connected_row_s16(const arenafit_conv_s16* params,
                                      const arenafit_conv_data_s16* data,
                                      const arenafit_tensor* input, int32_t y, const int16_t* row,
                                      int64_t* sums, const arenafit_tensor* output, int16_t* out);

/* rows   as above, at least one of them inside the image */
void arenafit_max_pool_2d_row_s16(const arenafit_pool* params, const arenafit_tensor* input,
                                  const int16_t* const* rows, const arenafit_tensor* output,
                                  int16_t* out);
void arenafit_average_pool_2d_row_s16(const arenafit_pool* params, const arenafit_tensor* input,
                                      const int16_t* const* rows, const arenafit_tensor* output,
                                      int16_t* out);

/* Steps of a reduction over rows and columns. */
void arenafit_global_average_pool_row_s16(const arenafit_pool* params, const arenafit_tensor* input,
                                          int32_t y, const int16_t* row, int32_t* sums,
                                          int16_t* out);
void arenafit_global_max_pool_row_s16(const arenafit_pool* params, const arenafit_tensor* input,
                                      int32_t y, const int16_t* row, int32_t* maxima, int16_t* out);
void arenafit_mean_row_s16(const arenafit_mean* params, const arenafit_tensor* input, int32_t y,
                           const int16_t* row, int32_t* sums, int16_t* out);

/* `out` may be either row that is not repeated. */
void arenafit_add_row_s16(const arenafit_arithmetic* params, const arenafit_tensor* const* inputs,
                          const int16_t* const* rows, const arenafit_tensor* output, int16_t* out);
void arenafit_sub_row_s16(const arenafit_arithmetic* params, const arenafit_tensor* const* inputs,
                          const int16_t* const* rows, const arenafit_tensor* output, int16_t* out);
void arenafit_mul_row_s16(const arenafit_arithmetic* params, const arenafit_tensor* const* inputs,
                          const int16_t* const* rows, const arenafit_tensor* output, int16_t* out);

/* `out` may be `row`. */
void arenafit_leaky_relu_row_s16(const arenafit_leaky_relu_s16* params, const int16_t* row,
                                 int32_t count, int16_t* out);

/* Between integers; `out` of the last may be `row`. From int8_t to int8_t is a table. */
void arenafit_requantize_row_s8_s16(const arenafit_rescale* params, const int8_t* row,
                                    int32_t count, int16_t* out);
void arenafit_requantize_row_s16_s8(const arenafit_rescale* params, const int16_t* row,
                                    int32_t count, int8_t* out);
void arenafit_requantize_row_s16(const arenafit_rescale* params, const int16_t* row, int32_t count,
                                 int16_t* out);

#ifdef __cplusplus
}
#endif

#endif /* ARENAFIT_ROWS_S16_H_ */
