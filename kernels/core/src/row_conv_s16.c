#include <stddef.h>

#include "arenafit/quant.h"
#include "arenafit/rows_s16.h"
#include "row_window.h"

#ifndef ARENAFIT_NO_S16

/* Sums go through uint64_t: what a damaged program makes overflow, wraps. Those of 32 bits, which
 * TFLM has where the bias is of 32 bits, are the lower half. */
static uint64_t dot(const int16_t* x, const int8_t* weights, int32_t count, uint64_t sum) {
  for (int32_t i = 0; i < count; ++i) {
    sum += (uint64_t)(int64_t)(x[i] * weights[i]);
  }
  return sum;
}

static uint64_t bias_of(const arenafit_conv_s16* params, const arenafit_conv_data_s16* data,
                        int32_t channel) {
  if (data->bias == NULL) {
    return 0;
  }
  if (params->narrow) {
    return (uint64_t)(int64_t)data->bias[channel];
  }
  const int32_t* words = data->bias + 2 * (ptrdiff_t)channel;
  return (uint64_t)(uint32_t)words[0] | (uint64_t)(uint32_t)words[1] << 32;
}

/* sum * multiplier * 2^(shift - 15), rounded once, halves upwards. */
static int32_t scale_wide(uint64_t sum, int32_t multiplier, int32_t shift) {
  const int32_t bits = 15 - shift;
  const uint64_t product = sum * (uint64_t)multiplier + (UINT64_C(1) << (bits - 1));
  return (int32_t)(uint32_t)((int64_t)product >> bits);
}

static int16_t finish(const arenafit_conv_s16* params, const arenafit_conv_data_s16* data,
                      int32_t channel, uint64_t sum) {
  const int32_t multiplier = data->multipliers[channel], shift = data->shifts[channel];
  const uint64_t total = sum + bias_of(params, data, channel);
  const int32_t scaled = params->narrow
                             ? arenafit_requantize((int32_t)(uint32_t)total, multiplier, shift)
                             : scale_wide(total, multiplier, shift);
  return (int16_t)arenafit_clamp(scaled, params->clamp_min, params->clamp_max);
}

void arenafit_conv_2d_row_s16(const arenafit_conv_s16* params, const arenafit_conv_data_s16* data,
                              const arenafit_tensor* input, const int16_t* const* rows,
                              const arenafit_tensor* output, int16_t* out) {
  const arenafit_window* window = &params->window;
  const int32_t channels = output->channels, depth = input->channels / params->groups;
  const int32_t group = channels / params->groups; /* output channels of each */
  const int32_t filter_row = window->kernel_w * depth;
  /* Where pixels of the window are neighbours, a row of it is one run in both factors. */
  const int in_runs = window->dilation_w == 1 && params->groups == 1;
  for (int32_t pixel = 0; pixel < output->width; ++pixel) {
    const arenafit_range_of taps = arenafit_taps_inside(window, pixel, input->width);
    const int32_t column =
        pixel * window->stride_w - window->pad_w + taps.first * window->dilation_w;
    const int32_t step = in_runs ? taps.end - taps.first : 1;
    for (int32_t channel = 0; channel < channels; ++channel) {
      const int32_t start = column * input->channels + channel / group * depth;
      const int8_t* filter =
          data->weights + (ptrdiff_t)channel * window->kernel_h * filter_row + taps.first * depth;
      uint64_t sum = 0;
      for (int32_t i = 0; i < window->kernel_h; ++i, filter += filter_row) {
        if (rows[i] == NULL) {
          continue;
        }
        const int16_t* x = rows[i] + start;
        const int8_t* w = filter;
        for (int32_t j = taps.first; j < taps.end; j += step) {
          sum = dot(x, w, step * depth, sum);
          x += window->dilation_w * input->channels;
          w += depth;
        }
      }
      *out++ = finish(params, data, channel, sum);
    }
  }
}

void arenafit_depthwise_conv_2d_row_s16(const arenafit_conv_s16* params,
                                        const arenafit_conv_data_s16* data,
                                        const arenafit_tensor* input, const int16_t* const* rows,
                                        const arenafit_tensor* output, int16_t* out) {
  const arenafit_window* window = &params->window;
  const int32_t channels = output->channels, multiplier = channels / input->channels;
  const int32_t step = window->dilation_w * input->channels;
  for (int32_t pixel = 0; pixel < output->width; ++pixel) {
    const arenafit_range_of taps = arenafit_taps_inside(window, pixel, input->width);
    const int32_t column =
        pixel * window->stride_w - window->pad_w + taps.first * window->dilation_w;
    for (int32_t channel = 0; channel < channels; ++channel) {
      const int32_t start = column * input->channels + channel / multiplier;
      const int8_t* filter = data->weights + (ptrdiff_t)taps.first * channels + channel;
      uint64_t sum = 0;
      for (int32_t i = 0; i < window->kernel_h; ++i, filter += window->kernel_w * channels) {
        if (rows[i] == NULL) {
          continue;
        }
        const int16_t* x = rows[i] + start;
        const int8_t* w = filter;
        for (int32_t j = taps.first; j < taps.end; ++j, x += step, w += channels) {
          sum += (uint64_t)(int64_t)(*x * *w);
        }
      }
      *out++ = finish(params, data, channel, sum);
    }
  }
}

void arenafit_fully_connected_row_s16(const arenafit_conv_s16* params,
                                      const arenafit_conv_data_s16* data,
                                      const arenafit_tensor* input, int32_t y, const int16_t* row,
                                      int64_t* sums, const arenafit_tensor* output, int16_t* out) {
  const int32_t count = input->width * input->channels;
  const int8_t* weights = data->weights + (ptrdiff_t)y * count;
  for (int32_t channel = 0; channel < output->channels; ++channel) {
    const uint64_t sum = dot(row, weights, count, y == 0 ? 0 : (uint64_t)sums[channel]);
    weights += (ptrdiff_t)input->rows * count;
    if (y == input->rows - 1) {
      out[channel] = finish(params, data, channel, sum);
    } else {
      sums[channel] = (int64_t)sum;
    }
  }
}

#endif /* ARENAFIT_NO_S16 */
