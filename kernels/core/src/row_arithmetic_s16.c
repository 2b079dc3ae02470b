#include "arenafit/quant.h"
#include "arenafit/rows_s16.h"
#include "row_arithmetic.h"

#ifndef ARENAFIT_NO_S16

/* One operand's share of a sum. */
static uint32_t scale(const arenafit_arithmetic* params, int32_t which, int32_t x) {
  const int32_t shifted = x * (1 << params->left_shift);
  return (uint32_t)arenafit_requantize(shifted, params->input_multiplier[which],
                                       params->input_shift[which]);
}

static int32_t combine(operation what, const arenafit_arithmetic* params, int32_t a, int32_t b) {
  if (what == kMul) {
    return a * b;
  }
  const uint32_t first = scale(params, 0, a), second = scale(params, 1, b);
  return (int32_t)(what == kAdd ? first + second : first - second);
}

static void apply(operation what, const arenafit_arithmetic* params,
                  const arenafit_tensor* const* inputs, const int16_t* const* rows,
                  const arenafit_tensor* output, int16_t* out) {
  const strides a = strides_of(inputs[0]), b = strides_of(inputs[1]);
  const int16_t *x = rows[0], *y = rows[1];
  for (int32_t pixel = 0; pixel < output->width; ++pixel, x += a.pixel, y += b.pixel) {
    for (int32_t k = 0; k < output->channels; ++k, x += a.channel, y += b.channel) {
      const int32_t value = combine(what, params, *x, *y);
      const int32_t scaled = arenafit_requantize(value, params->multiplier, params->shift);
      *out++ = (int16_t)arenafit_clamp(scaled, params->clamp_min, params->clamp_max);
    }
  }
}

void arenafit_add_row_s16(const arenafit_arithmetic* params, const arenafit_tensor* const* inputs,
                          const int16_t* const* rows, const arenafit_tensor* output, int16_t* out) {
  apply(kAdd, params, inputs, rows, output, out);
}

void arenafit_sub_row_s16(const arenafit_arithmetic* params, const arenafit_tensor* const* inputs,
                          const int16_t* const* rows, const arenafit_tensor* output, int16_t* out) {
  apply(kSub, params, inputs, rows, output, out);
}

void arenafit_mul_row_s16(const arenafit_arithmetic* params, const arenafit_tensor* const* inputs,
                          const int16_t* const* rows, const arenafit_tensor* output, int16_t* out) {
  apply(kMul, params, inputs, rows, output, out);
}

void arenafit_leaky_relu_row_s16(const arenafit_leaky_relu_s16* params, const int16_t* row,
                                 int32_t count, int16_t* out) {
  for (int32_t i = 0; i < count; ++i) {
    const int32_t which = row[i] < 0;
    const int32_t scaled =
        arenafit_requantize(row[i], params->multiplier[which], params->shift[which]);
    out[i] = (int16_t)arenafit_clamp(scaled, params->clamp_min, params->clamp_max);
  }
}

#endif /* ARENAFIT_NO_S16 */
