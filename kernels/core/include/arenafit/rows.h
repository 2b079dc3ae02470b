/* Kernels that make one row of a tensor of int8_t.
 *
 * They take rows by pointer, so that a ring buffer needs no copying; parameters as they are in a
 * program (arenafit/program.h says what they compute), with what a program has at offsets given by
 * pointers; tensors for their dimensions alone. Nothing is checked.
 *
 * An output row must not share bytes with the rows that are read, but where it says so.
 */
#ifndef ARENAFIT_ROWS_H_
#define ARENAFIT_ROWS_H_

#include <stdint.h>

#include "arenafit/program.h"

#ifdef __cplusplus
extern "C" {
#endif

/* What arenafit_conv has at offsets. */
typedef struct {
  const int8_t* weights;
  const int32_t* bias;
  const int32_t* folded;
  const int32_t* multipliers;
  const int8_t* shifts;
} arenafit_conv_data;

/* rows   window.kernel_h of them, NULL where the window is above or below the image
 * sums   a row of int32_t to begin with, or NULL; `out` may be the same
 * out    int8_t, or int32_t where data->multipliers is NULL */
void arenafit_conv_2d_row_s8(const arenafit_conv* params, const arenafit_conv_data* data,
                             const arenafit_tensor* input, const int8_t* const* rows,
                             const int32_t* sums, const arenafit_tensor* output, void* out);

/* rows   as above */
void arenafit_depthwise_conv_2d_row_s8(const arenafit_conv* params, const arenafit_conv_data* data,
                                       const arenafit_tensor* input, const int8_t* const* rows,
                                       const arenafit_tensor* output, int8_t* out);

/* A step of a fully connected layer: what row number `y` of its input adds to the sums. The first
 * begins them, the last makes `out` of them. `sums` may be NULL where there is one row. */
void arenafit_fully_connected_row_s8(const arenafit_conv* params, const arenafit_conv_data* data,
                                     const arenafit_tensor* input, int32_t y, const int8_t* row,
                                     int32_t* sums, const arenafit_tensor* output, int8_t* out);

/* rows   as above, at least one of them inside the image */
void arenafit_max_pool_2d_row_s8(const arenafit_pool* params, const arenafit_tensor* input,
                                 const int8_t* const* rows, const arenafit_tensor* output,
                                 int8_t* out);
void arenafit_average_pool_2d_row_s8(const arenafit_pool* params, const arenafit_tensor* input,
                                     const int8_t* const* rows, const arenafit_tensor* output,
                                     int8_t* out);

/* A step of a reduction over rows and columns: what row number `y` adds to the sums, or to the
 * maxima. The first begins them, the last makes `out` of them. */
void arenafit_global_average_pool_row_s8(const arenafit_pool* params, const arenafit_tensor* input,
                                         int32_t y, const int8_t* row, int32_t* sums, int8_t* out);
void arenafit_global_max_pool_row_s8(const arenafit_pool* params, const arenafit_tensor* input,
                                     int32_t y, const int8_t* row, int32_t* maxima, int8_t* out);
void arenafit_mean_row_s8(const arenafit_mean* params, const arenafit_tensor* input, int32_t y,
                          const int8_t* row, int32_t* sums, int8_t* out);

/* `out` may be either row that is not repeated. */
void arenafit_add_row_s8(const arenafit_arithmetic* params, const arenafit_tensor* const* inputs,
                         const int8_t* const* rows, const arenafit_tensor* output, int8_t* out);
void arenafit_sub_row_s8(const arenafit_arithmetic* params, const arenafit_tensor* const* inputs,
                         const int8_t* const* rows, const arenafit_tensor* output, int8_t* out);
void arenafit_mul_row_s8(const arenafit_arithmetic* params, const arenafit_tensor* const* inputs,
                         const int8_t* const* rows, const arenafit_tensor* output, int8_t* out);

/* Copies `count` runs of `bytes` bytes, which are `stride` bytes apart in `out`. */
void arenafit_interleave_row(const void* row, int32_t count, int32_t bytes, int32_t stride,
                             void* out);

/* Of any type.
 * row   NULL for a row above or below the image */
void arenafit_pad_row(const arenafit_pad* params, const arenafit_tensor* input, const void* row,
                      const arenafit_tensor* output, void* out);

/* `out` may be `row`. */
void arenafit_table_row_s8(const int8_t* table, const int8_t* row, int32_t count, int8_t* out);

/* `out` may be `row`. */
void arenafit_softmax_row_s8(const arenafit_softmax* params, const arenafit_tensor* tensor,
                             const int8_t* row, int8_t* out);

/* Pixel by pixel of `pixel` bytes, from where columns[] says. */
void arenafit_resize_row(const uint16_t* columns, const void* row, int32_t width, int32_t pixel,
                         void* out);

#ifdef __cplusplus
}
#endif

#endif /* ARENAFIT_ROWS_H_ */
