#include <stddef.h>

#include "arenafit/rows_f32.h"
#include "row_f32.h"
#include "row_window.h"

#ifndef ARENAFIT_NO_F32

/* Sums are made in the order of TFLM's reference kernels, a tap after the other, and the bias comes
 * last: another order would round otherwise. */

static float dot(const float* x, const float* weights, int32_t count, float sum) {
  for (int32_t i = 0; i < count; ++i) {
    sum += x[i] * weights[i];
  }
  return sum;
}

/* TFLM adds a bias of 0 where there is none: of -0 that makes 0. */
static float finish(const arenafit_conv_f32* params, const float* bias, int32_t channel,
                    float sum) {
  return arenafit_clamp_f32(sum + (bias == NULL ? 0.0f : bias[channel]), params->clamp_min,
                            params->clamp_max);
}

void arenafit_conv_2d_row_f32(const arenafit_conv_f32* params, const float* weights,
                              const float* bias, const arenafit_tensor* input,
                              const float* const* rows, const arenafit_tensor* output, float* out) {
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
      const float* filter =
          weights + (ptrdiff_t)channel * window->kernel_h * filter_row + taps.first * depth;
      float sum = 0;
      for (int32_t i = 0; i < window->kernel_h; ++i, filter += filter_row) {
        if (rows[i] == NULL) {
          continue;
        }
        const float *x = rows[i] + start, *w = filter;
        for (int32_t j = taps.first; j < taps.end; j += step) {
          sum = dot(x, w, step * depth, sum);
          x += window->dilation_w * input->channels;
          w += depth;
        }
      }
      *out++ = finish(params, bias, channel, sum);
    }
  }
}

void arenafit_depthwise_conv_2d_row_f32(const arenafit_conv_f32* params, const float* weights,
                                        const float* bias, const arenafit_tensor* input,
                                        const float* const* rows, const arenafit_tensor* output,
                                        float* out) {
  const arenafit_window* window = &params->window;
  const int32_t channels = output->channels, multiplier = channels / input->channels;
  const int32_t step = window->dilation_w * input->channels;
  for (int32_t pixel = 0; pixel < output->width; ++pixel) {
    const arenafit_range_of taps = arenafit_taps_inside(window, pixel, input->width);
    const int32_t column =
        pixel * window->stride_w - window->pad_w + taps.first * window->dilation_w;
    for (int32_t channel = 0; channel < channels; ++channel) {
      const int32_t start = column * input->channels + channel / multiplier;
      const float* filter = weights + (ptrdiff_t)taps.first * channels + channel;
      float sum = 0;
      for (int32_t i = 0; i < window->kernel_h; ++i, filter += window->kernel_w * channels) {
        if (rows[i] == NULL) {
          continue;
        }
        const float *x = rows[i] + start, *w = filter;
        for (int32_t j = taps.first; j < taps.end; ++j, x += step, w += channels) {
          sum += *x * *w;
        }
      }
      *out++ = finish(params, bias, channel, sum);
    }
  }
}

void arenafit_fully_connected_row_f32(const arenafit_conv_f32* params, const float* weights,
                                      const float* bias, const arenafit_tensor* input, int32_t y,
                                      const float* row, float* sums, const arenafit_tensor* output,
                                      float* out) {
  const int32_t count = input->width * input->channels;
  const int last = y == input->rows - 1;
  weights += (ptrdiff_t)y * count;
  for (int32_t channel = 0; channel < output->channels; ++channel) {
    const float sum = dot(row, weights, count, y == 0 ? 0.0f : sums[channel]);
    weights += (ptrdiff_t)input->rows * count;
    if (last) {
      out[channel] = finish(params, bias, channel, sum);
    } else {
      sums[channel] = sum;
    }
  }
}

#endif /* ARENAFIT_NO_F32 */
