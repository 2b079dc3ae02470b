#include <stddef.h>

#include "arenafit/rows_f32.h"
#include "row_arithmetic.h"
#include "row_f32.h"

#ifndef ARENAFIT_NO_F32

static float combine(operation what, float a, float b) {
  return what == kAdd ? a + b : what == kSub ? a - b : a * b;
}

static inline void apply(operation what, const arenafit_range_f32* params,
                         const arenafit_tensor* const* inputs, const float* const* rows,
                         const arenafit_tensor* output, float* out) {
  const strides a = strides_of(inputs[0]), b = strides_of(inputs[1]);
  const float *x = rows[0], *y = rows[1];
  for (int32_t pixel = 0; pixel < output->width; ++pixel, x += a.pixel, y += b.pixel) {
    for (int32_t k = 0; k < output->channels; ++k, x += a.channel, y += b.channel) {
      *out++ = arenafit_clamp_f32(combine(what, *x, *y), params->min, params->max);
    }
  }
}

void arenafit_add_row_f32(const arenafit_range_f32* params, const arenafit_tensor* const* inputs,
                          const float* const* rows, const arenafit_tensor* output, float* out) {
  apply(kAdd, params, inputs, rows, output, out);
}

void arenafit_sub_row_f32(const arenafit_range_f32* params, const arenafit_tensor* const* inputs,
                          const float* const* rows, const arenafit_tensor* output, float* out) {
  apply(kSub, params, inputs, rows, output, out);
}

void arenafit_mul_row_f32(const arenafit_range_f32* params, const arenafit_tensor* const* inputs,
                          const float* const* rows, const arenafit_tensor* output, float* out) {
  apply(kMul, params, inputs, rows, output, out);
}

void arenafit_clamp_row_f32(const arenafit_range_f32* params, const float* row, int32_t count,
                            float* out) {
  for (int32_t i = 0; i < count; ++i) {
    out[i] = arenafit_clamp_f32(row[i], params->min, params->max);
  }
}

void arenafit_leaky_relu_row_f32(const arenafit_leaky_relu_f32* params, const float* row,
                                 int32_t count, float* out) {
  for (int32_t i = 0; i < count; ++i) {
    out[i] = row[i] > 0 ? row[i] : row[i] * params->alpha;
  }
}

#endif /* ARENAFIT_NO_F32 */
