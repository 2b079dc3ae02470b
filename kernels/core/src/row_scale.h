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
  int32_t factors[kBlock]; /* of arenafit_requantize_and_add */
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

/* Of channels from `channel` on, whose sums are of `products`. */
void arenafit_scales_of(const arenafit_conv* params, const arenafit_conv_data* data,
                        int32_t channel, int64_t products, arenafit_scales* scales);

/* Of any scales. */
void arenafit_finish_block_any(const arenafit_scales* scales, arenafit_block_sums sums,
                               int8_t* out);

static inline void arenafit_finish_block(const arenafit_scales* scales,
                                         const arenafit_block_sums* sums, int8_t* out) {
#if defined ARENAFIT_MVE
  const int32x4_t scaled =
      arenafit_requantize_four(vreinterpretq_s32_u32(vldrwq_u32(sums->of)),
                               vldrwq_s32(scales->multipliers), vldrbq_s32(scales->shifts));
  const int32x4_t value = vmaxq_s32(vaddq_n_s32(scaled, scales->offset), vdupq_n_s32(scales->min));
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
