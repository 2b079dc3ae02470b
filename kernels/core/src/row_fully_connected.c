#include <stddef.h>

#include "arenafit/rows.h"
#include "row_dot.h"
#include "row_scale.h"

void arenafit_fully_connected_row_s8(const arenafit_conv* params, const arenafit_conv_data* data,
                                     const arenafit_tensor* input, int32_t y, const int8_t* row,
                                     int32_t* sums, const arenafit_tensor* output, int8_t* out) {
  const int32_t count = input->width * input->channels, channels = output->channels;
  const ptrdiff_t filter = (ptrdiff_t)input->rows * count;
  const int last = y == input->rows - 1;
  const int32_t* before = y == 0 ? data->folded : sums;
  const int in_blocks = params->layout == ARENAFIT_LAYOUT_BLOCKS;
  int32_t channel = 0;
  for (; (in_blocks || kHasVectors) && channels - channel >= kBlock; channel += kBlock) {
    const int8_t* weights = data->weights + channel * filter;
    arenafit_block_sums partial = arenafit_sums_from(before + channel);
    if (in_blocks) {
      arenafit_dot_block(row, weights + (ptrdiff_t)y * count * kBlock, count, 0, &partial);
    } else {
      arenafit_dot_vectors(row, weights + (ptrdiff_t)y * count, filter, count, &partial);
    }
    if (last) {
      arenafit_scales scales;
      arenafit_scales_of(params, data, channel, filter, &scales);
      arenafit_finish_block(&scales, &partial, out + channel);
    } else {
      for (int i = 0; i < kBlock; ++i) {
        sums[channel + i] = (int32_t)partial.of[i];
      }
    }
  }
  for (; channel < channels; ++channel) {
    const int8_t* weights = data->weights + channel * filter + (ptrdiff_t)y * count;
    const uint32_t sum = arenafit_dot(row, weights, count, 0, (uint32_t)before[channel]);
    if (last) {
      out[channel] = arenafit_finish(params, data, channel, sum);
    } else {
      sums[channel] = (int32_t)sum;
    }
  }
}
