#include "arenafit/quant.h"
#include "arenafit/rows.h"

/* One operand's share of a sum. */
static int32_t scale(const arenafit_arithmetic* params, int32_t which, int32_t x) {
  const int32_t shifted = (x + params->input_offset[which]) * (1 << params->left_shift);
  return arenafit_requantize(shifted, params->input_multiplier[which], params->input_shift[which]);
}

static int8_t finish(const arenafit_arithmetic* params, int32_t value) {
  const int32_t scaled = arenafit_requantize(value, params->multiplier, params->shift);
  return (int8_t)arenafit_clamp(arenafit_wrapping_add(scaled, params->output_offset),
                                params->clamp_min, params->clamp_max);
}

static int8_t add(const arenafit_arithmetic* params, int32_t a, int32_t b) {
  return finish(params, arenafit_wrapping_add(scale(params, 0, a), scale(params, 1, b)));
}

static int8_t sub(const arenafit_arithmetic* params, int32_t a, int32_t b) {
  const uint32_t difference = (uint32_t)scale(params, 0, a) - (uint32_t)scale(params, 1, b);
  return finish(params, (int32_t)difference);
}

static int8_t mul(const arenafit_arithmetic* params, int32_t a, int32_t b) {
  return finish(params, (a + params->input_offset[0]) * (b + params->input_offset[1]));
}

/* How far to go in an operand for a channel and, besides, for a pixel: 0 where it is repeated. */
typedef struct {
  int32_t channel, pixel;
} strides;

static strides strides_of(const arenafit_tensor* input) {
  const int32_t channel = input->channels != 1, pixel = input->width != 1;
  return (strides){channel, pixel * input->channels - channel * input->channels};
}

typedef int8_t (*function)(const arenafit_arithmetic* params, int32_t a, int32_t b);

static inline void apply(function of, const arenafit_arithmetic* params,
                         const arenafit_tensor* const* inputs, const int8_t* const* rows,
                         const arenafit_tensor* output, int8_t* out) {
  const strides a = strides_of(inputs[0]), b = strides_of(inputs[1]);
  const int8_t *x = rows[0], *y = rows[1];
  for (int32_t pixel = 0; pixel < output->width; ++pixel, x += a.pixel, y += b.pixel) {
    for (int32_t k = 0; k < output->channels; ++k, x += a.channel, y += b.channel) {
      *out++ = of(params, *x, *y);
    }
  }
}

void arenafit_add_row_s8(const arenafit_arithmetic* params, const arenafit_tensor* const* inputs,
                         const int8_t* const* rows, const arenafit_tensor* output, int8_t* out) {
  apply(add, params, inputs, rows, output, out);
}

void arenafit_sub_row_s8(const arenafit_arithmetic* params, const arenafit_tensor* const* inputs,
                         const int8_t* const* rows, const arenafit_tensor* output, int8_t* out) {
  apply(sub, params, inputs, rows, output, out);
}

void arenafit_mul_row_s8(const arenafit_arithmetic* params, const arenafit_tensor* const* inputs,
                         const int8_t* const* rows, const arenafit_tensor* output, int8_t* out) {
  apply(mul, params, inputs, rows, output, out);
}
