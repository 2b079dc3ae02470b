#include "row_scale.h"

void arenafit_scales_of(const arenafit_conv* params, const arenafit_conv_data* data,
                        int32_t channel, int64_t products, arenafit_scales* scales) {
  const int32_t* multipliers = data->multipliers + channel;
  const int8_t* shifts = data->shifts + channel;
  scales->multipliers = multipliers;
  scales->shifts = shifts;
  scales->offset = params->output_offset;
  scales->min = params->clamp_min;
  scales->max = params->clamp_max;
  (void)products;
#ifdef ARENAFIT_DSP
  scales->is_byte = scales->min == INT8_MIN && scales->max == INT8_MAX;
  int has_factors = 1;
#pragma GCC unroll 4
  for (int i = 0; i < kBlock; ++i) {
    const int32_t shift = shifts[i];
    scales->factors[i] = arenafit_factor(shift);
    if (!arenafit_has_factor(multipliers[i], shift, 0)) {
      /* A bias that is not folded is 2^28 more at most: the sum of the zero points' products. */
      const uint32_t folded = (uint32_t)data->folded[channel + i];
      const int is_small = products < 1 << 14 && folded + (1u << 28) < 1u << 29;
      has_factors = has_factors && arenafit_has_factor(multipliers[i], shift, is_small);
    }
  }
  scales->has_factors = has_factors;
#endif
}

void arenafit_finish_block_any(const arenafit_scales* scales, arenafit_block_sums sums,
                               int8_t* out) {
  for (int i = 0; i < kBlock; ++i) {
    const int32_t scaled =
        arenafit_requantize((int32_t)sums.of[i], scales->multipliers[i], scales->shifts[i]);
    out[i] = (int8_t)arenafit_clamp(arenafit_wrapping_add(scaled, scales->offset), scales->min,
                                    scales->max);
  }
}
