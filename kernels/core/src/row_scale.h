/* From sums of products to bytes, kBlock output channels at a time. */
#ifndef ARENAFIT_ROW_SCALE_H_
#define ARENAFIT_ROW_SCALE_H_

#include <stdint.h>

#include "arenafit/quant.h"
#include "arenafit/rows.h"
#include "row_dot.h"

/* The scales of kBlock channels. */
typedef struct {
  const int32_t* multipliers;
  const int8_t* shifts;
  int32_t offset, min, max;
#ifdef ARENAFIT_DSP
  int32_t factors[kBlock]; /* 2^(32 + shift) */
  int has_factors;
  int is_byte; /* min and max are those of int8_t */
#endif
} arenafit_scales;

static inline int8_t arenafit_finish(const arenafit_conv* params, const arenafit_conv_data* data,
                                     int32_t channel, uint32_t sum) {
  const int32_t scaled =
      arenafit_requantize((int32_t)sum, data->multipliers[channel], data->shifts[channel]);
  return (int8_t)arenafit_clamp(arenafit_wrapping_add(scaled, params->output_offset),
                                params->clamp_min, params->clamp_max);
}

/* Of channels from `channel` on. */
static inline arenafit_scales arenafit_scales_of(const arenafit_conv* params,
                                                 const arenafit_conv_data* data, int32_t channel) {
  arenafit_scales scales = {.multipliers = data->multipliers + channel,
                            .shifts = data->shifts + channel,
                            .offset = params->output_offset,
                            .min = params->clamp_min,
                            .max = params->clamp_max};
#ifdef ARENAFIT_DSP
  scales.is_byte = scales.min == INT8_MIN && scales.max == INT8_MAX;
  scales.has_factors = 1;
#pragma GCC unroll 4
  for (int i = 0; i < kBlock; ++i) {
    const int32_t shift = scales.shifts[i];
    scales.has_factors &= arenafit_has_factor(scales.multipliers[i], shift);
    scales.factors[i] = arenafit_factor(shift);
  }
#endif
  return scales;
}

#if !defined ARENAFIT_MVE
static __attribute__((noinline)) void arenafit_finish_block_any(const arenafit_scales* scales,
                                                                arenafit_block_sums sums,
                                                                int8_t* out) {
  for (int i = 0; i < kBlock; ++i) {
    const int32_t scaled =
        arenafit_requantize((int32_t)sums.of[i], scales->multipliers[i], scales->shifts[i]);
    out[i] = (int8_t)arenafit_clamp(arenafit_wrapping_add(scaled, scales->offset), scales->min,
                                    scales->max);
  }
}
#endif

static inline void arenafit_finish_block(const arenafit_scales* scales, const arenafit_block_sums* sums,
                                         int8_t* out) {
#if defined ARENAFIT_MVE
  const int32x4_t zero = vdupq_n_s32(0), shifts = vldrbq_s32(scales->shifts);
  const int32x4_t left = vmaxq_s32(shifts, zero), right = vminq_s32(shifts, zero);
  int32x4_t value = vshlq_s32(vreinterpretq_s32_u32(vldrwq_u32(sums->of)), left);
  value = vqrdmulhq_s32(value, vldrwq_s32(scales->multipliers));
  /* The sign where something is shifted out: halves go away from 0. */
  value = vaddq_s32(value, vshrq_n_s32(vandq_s32(value, right), 31));
  value = vaddq_n_s32(vrshlq_s32(value, right), scales->offset);
  value = vmaxq_s32(value, vdupq_n_s32(scales->min));
  vstrbq_s32(out, vminq_s32(value, vdupq_n_s32(scales->max)));
#elif defined ARENAFIT_DSP
  if (!scales->has_factors) {
    arenafit_finish_block_any(scales, *sums, out);
    return;
  }
  int32_t values[kBlock];
#pragma GCC unroll 4
  for (int i = 0; i < kBlock; ++i) {
    values[i] = arenafit_requantize_and_add((int32_t)sums->of[i], scales->multipliers[i],
                                            scales->factors[i], scales->offset);
  }
  if (scales->is_byte) {
#pragma GCC unroll 4
    for (int i = 0; i < kBlock; ++i) {
      out[i] = (int8_t)arenafit_saturate(values[i]);
    }
    return;
  }
#pragma GCC unroll 4
  for (int i = 0; i < kBlock; ++i) {
    out[i] = (int8_t)arenafit_clamp(values[i], scales->min, scales->max);
  }
#else
  arenafit_finish_block_any(scales, *sums, out);
#endif
}

#endif /* ARENAFIT_ROW_SCALE_H_ */
