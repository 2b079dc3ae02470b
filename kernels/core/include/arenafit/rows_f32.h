/* Kernels that make one row of a tensor of float, as rows.h has them for int8_t.
 *
 * Products are summed in the order of TFLM's reference kernels. Where the compiler contracts none
 * of them with its sum (GCC's -std=c11; others want -ffp-contract=off) and floats are IEEE's,
 * subnormal ones included, the results are TFLM's, bit for bit.
 */
#ifndef ARENAFIT_ROWS_F32_H_
#define ARENAFIT_ROWS_F32_H_

#include <stdint.h>

#include "arenafit/program.h"

#ifdef __cplusplus
extern "C" {
#endif

/* weights   as arenafit_conv_f32 has them
 * bias      or NULL
 * rows      window.kernel_h of them, NULL where the window is above or below the image */
void arenafit_conv_2d_row_f32(const arenafit_conv_f32* params, const float* weights,
                              const float* bias, const arenafit_tensor* input,
                              const float* const* rows, const arenafit_tensor* output, float* out);
void arenafit_depthwise_conv_2d_row_f32(const arenafit_conv_f32* params, const float* weights,
                                        const float* bias, const arenafit_tensor* input,
                                        const float* const* rows, const arenafit_tensor* output,
                                        float* out);

/* What row number `y` of the input adds to the sums. The first begins them, the last makes `out` of
 * them. `sums` may be NULL where there is one row. */
void arenafit_fully_connected_row_f32(const arenafit_conv_f32* params, const float* weights,
                                      const float* bias, const arenafit_tensor* input, int32_t y,
                                      const float* row, float* sums, const arenafit_tensor* output,
                                      float* out);

/* rows   as above, at least one of them inside the image */
void arenafit_max_pool_2d_row_f32(const arenafit_pool_f32* params, const arenafit_tensor* input,
                                  const float* const* rows, const arenafit_tensor* output,
                                  float* out);
void arenafit_average_pool_2d_row_f32(const arenafit_pool_f32* params, const arenafit_tensor* input,
                                      const float* const* rows, const arenafit_tensor* output,
                                      float* out);

/* Steps of a reduction over rows and columns. */
void arenafit_global_average_pool_row_f32(const arenafit_pool_f32* params,
                                          const arenafit_tensor* input, int32_t y, const float* row,
                                          float* sums, float* out);
void arenafit_global_max_pool_row_f32(const arenafit_pool_f32* params, const arenafit_tensor* input,
                                      int32_t y, const float* row, float* maxima, float* out);

/* `out` may be either row that is not repeated. */
void arenafit_add_row_f32(const arenafit_range_f32* params, const arenafit_tensor* const* inputs,
                          const float* const* rows, const arenafit_tensor* output, float* out);
void arenafit_sub_row_f32(const arenafit_range_f32* params, const arenafit_tensor* const* inputs,
                          const float* const* rows, const arenafit_tensor* output, float* out);
void arenafit_mul_row_f32(const arenafit_range_f32* params, const arenafit_tensor* const* inputs,
                          const float* const* rows, const arenafit_tensor* output, float* out);

/* `out` may be `row`. */
void arenafit_clamp_row_f32(const arenafit_range_f32* params, const float* row, int32_t count,
                            float* out);
void arenafit_leaky_relu_row_f32(const arenafit_leaky_relu_f32* params, const float* row,
                                 int32_t count, float* out);

/* To the nearest, with halves away from 0, clamped to the type. What TFLM leaves to the CPU is as
 * Cortex-M's conversion has it: no number is 0. */
void arenafit_quantize_row_f32_s8(const arenafit_quantize* params, const float* row, int32_t count,
                                  int8_t* out);
void arenafit_quantize_row_f32_s16(const arenafit_quantize* params, const float* row, int32_t count,
                                   int16_t* out);
void arenafit_dequantize_row_s8_f32(const arenafit_quantize* params, const int8_t* row,
                                    int32_t count, float* out);
void arenafit_dequantize_row_u8_f32(const arenafit_quantize* params, const uint8_t* row,
                                    int32_t count, float* out);
void arenafit_dequantize_row_s16_f32(const arenafit_quantize* params, const int16_t* row,
                                     int32_t count, float* out);

#ifdef __cplusplus
}
#endif

#endif /* ARENAFIT_ROWS_F32_H_ */
