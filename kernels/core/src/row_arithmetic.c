#include "row_arithmetic.h"
#include "arenafit/quant.h"
#include "arenafit/rows.h"
#include "row_simd.h"

/* ---- any numbers ----------------------------------------------------------------------------- */

/* One operand's share of a sum. */
static int32_t scale(const arenafit_arithmetic* params, int32_t which, int32_t x) {
  const int32_t shifted = (x + params->input_offset[which]) * (1 << params->left_shift);
  return arenafit_requantize(shifted, params->input_multiplier[which], params->input_shift[which]);
}

static int32_t combine(operation what, const arenafit_arithmetic* params, int32_t a, int32_t b) {
  if (what == kMul) {
    return (a + params->input_offset[0]) * (b + params->input_offset[1]);
  }
  const uint32_t first = (uint32_t)scale(params, 0, a), second = (uint32_t)scale(params, 1, b);
  return (int32_t)(what == kAdd ? first + second : first - second);
}

static void apply(operation what, const arenafit_arithmetic* params, const int8_t* x, strides a,
                  const int8_t* y, strides b, const arenafit_tensor* output, int8_t* out) {
  for (int32_t pixel = 0; pixel < output->width; ++pixel, x += a.pixel, y += b.pixel) {
    for (int32_t k = 0; k < output->channels; ++k, x += a.channel, y += b.channel) {
      const int32_t value = combine(what, params, *x, *y);
      const int32_t scaled = arenafit_requantize(value, params->multiplier, params->shift);
      *out++ = (int8_t)arenafit_clamp(arenafit_wrapping_add(scaled, params->output_offset),
                                      params->clamp_min, params->clamp_max);
    }
  }
}

/* ---- numbers as they are in models ----------------------------------------------------------- */

#if defined ARENAFIT_MVE

static int is_usual(operation what, const arenafit_arithmetic* params, strides a, strides b) {
  (void)what;
  (void)params;
  return a.channel == 1 && a.pixel == 0 && b.channel == 1 && b.pixel == 0;
}

static inline int32x4_t scale_four(const arenafit_arithmetic* params, int which, int32x4_t x) {
  const int32x4_t shifted =
      vshlq_s32(vaddq_n_s32(x, params->input_offset[which]), vdupq_n_s32(params->left_shift));
  return arenafit_requantize_four(shifted, vdupq_n_s32(params->input_multiplier[which]),
                                  vdupq_n_s32(params->input_shift[which]));
}

static inline __attribute__((always_inline)) void apply_usual(
    operation what, const arenafit_arithmetic* params, const int8_t* x, strides a, const int8_t* y,
    strides b, const arenafit_tensor* output, int8_t* out) {
  (void)a;
  (void)b;
  const arenafit_arithmetic p = *params;
  const int32x4_t multiplier = vdupq_n_s32(p.multiplier), shift = vdupq_n_s32(p.shift);
  for (int32_t left = output->width * output->channels; left > 0; left -= 4) {
    const mve_pred16_t lanes = vctp32q((uint32_t)left);
    int32x4_t first = vldrbq_z_s32(x, lanes), second = vldrbq_z_s32(y, lanes);
    if (what == kMul) {
      first =
          vmulq_s32(vaddq_n_s32(first, p.input_offset[0]), vaddq_n_s32(second, p.input_offset[1]));
    } else {
      first = scale_four(&p, 0, first);
      second = scale_four(&p, 1, second);
      first = what == kAdd ? vaddq_s32(first, second) : vsubq_s32(first, second);
    }
    first = vaddq_n_s32(arenafit_requantize_four(first, multiplier, shift), p.output_offset);
    first = vminq_s32(vmaxq_s32(first, vdupq_n_s32(p.clamp_min)), vdupq_n_s32(p.clamp_max));
    vstrbq_p_s32(out, first, lanes);
    x += 4, y += 4, out += 4;
  }
}

#elif defined ARENAFIT_DSP

static int is_usual(operation what, const arenafit_arithmetic* params, strides a, strides b) {
  (void)a;
  (void)b;
  return arenafit_has_factor(params->multiplier, params->shift, 0) &&
         (what == kMul || (params->input_shift[0] <= 0 && params->input_shift[1] <= 0));
}

/* As `scale`, of numbers that are shifted once more, by 23 at most: SMMULR's product is halved. */
static inline int32_t scale_usual(int32_t shifted, int32_t multiplier, int32_t factor) {
  const int32_t high = arenafit_smmulr(shifted, multiplier);
  return factor == 0 ? high : arenafit_shift_and_add(high, factor, 0);
}

static int32_t factor_or_0(int32_t shift) { return shift == 0 ? 0 : arenafit_factor(shift); }

static inline __attribute__((always_inline)) void apply_usual(
    operation what, const arenafit_arithmetic* params, const int8_t* x, strides a, const int8_t* y,
    strides b, const arenafit_tensor* output, int8_t* out) {
  const arenafit_arithmetic p = *params;
  const int32_t left = what == kMul ? 0 : p.left_shift + 1, one = 1 << left;
  const int32_t offset0 = p.input_offset[0] * one, offset1 = p.input_offset[1] * one;
  const int32_t factor0 = factor_or_0(p.input_shift[0]), factor1 = factor_or_0(p.input_shift[1]);
  const int32_t factor = arenafit_factor(p.shift), channels = output->channels;
  const int is_byte = p.clamp_min == INT8_MIN && p.clamp_max == INT8_MAX;
  for (int32_t pixel = output->width; pixel > 0; --pixel, x += a.pixel, y += b.pixel) {
    for (const int8_t* const end = out + channels; out != end; x += a.channel, y += b.channel) {
      int32_t first = *x * one + offset0, second = *y * one + offset1;
      if (what == kMul) {
        first *= second;
      } else {
        first = scale_usual(first, p.input_multiplier[0], factor0);
        second = scale_usual(second, p.input_multiplier[1], factor1);
        first = what == kAdd ? first + second : first - second;
      }
      first = arenafit_requantize_and_add(first, p.multiplier, factor, p.output_offset);
      first = is_byte ? arenafit_saturate(first) : arenafit_clamp(first, p.clamp_min, p.clamp_max);
      *out++ = (int8_t)first;
    }
  }
}

#else

static int is_usual(operation what, const arenafit_arithmetic* params, strides a, strides b) {
  (void)what;
  (void)params;
  (void)a;
  (void)b;
  return 0;
}

#define apply_usual apply

#endif

static inline __attribute__((always_inline)) void run(operation what,
                                                      const arenafit_arithmetic* params,
                                                      const arenafit_tensor* const* inputs,
                                                      const int8_t* const* rows,
                                                      const arenafit_tensor* output, int8_t* out) {
  const strides a = strides_of(inputs[0]), b = strides_of(inputs[1]);
  if (is_usual(what, params, a, b)) {
    apply_usual(what, params, rows[0], a, rows[1], b, output, out);
  } else {
    apply(what, params, rows[0], a, rows[1], b, output, out);
  }
}

void arenafit_add_row_s8(const arenafit_arithmetic* params, const arenafit_tensor* const* inputs,
                         const int8_t* const* rows, const arenafit_tensor* output, int8_t* out) {
  run(kAdd, params, inputs, rows, output, out);
}

void arenafit_sub_row_s8(const arenafit_arithmetic* params, const arenafit_tensor* const* inputs,
                         const int8_t* const* rows, const arenafit_tensor* output, int8_t* out) {
  run(kSub, params, inputs, rows, output, out);
}

void arenafit_mul_row_s8(const arenafit_arithmetic* params, const arenafit_tensor* const* inputs,
                         const int8_t* const* rows, const arenafit_tensor* output, int8_t* out) {
  run(kMul, params, inputs, rows, output, out);
}
