#include <stddef.h>

#include "arenafit/quant.h"
#include "arenafit/rows.h"

/* Sums go through uint32_t: what a damaged program makes overflow, wraps. */
static uint32_t dot(const int8_t* x, const int8_t* weights, int32_t count, int32_t offset,
                    uint32_t sum) {
  for (int32_t i = 0; i < count; ++i) {
    sum += (uint32_t)((x[i] + offset) * weights[i]);
  }
  return sum;
}

/* The taps [first, end) of a window that are inside of an image `width` wide, and where the first
 * of them is. */
typedef struct {
  int32_t first, end, column;
} taps;

static taps taps_inside(int32_t start, int32_t kernel, int32_t dilation, int32_t width) {
  taps inside = {0, kernel, start};
  if (start < 0) {
    inside.first = (dilation - 1 - start) / dilation;
    inside.column = start + inside.first * dilation;
  }
  if (start + (kernel - 1) * dilation >= width) {
    inside.end = (width - start + dilation - 1) / dilation;
  }
  return inside;
}

static int8_t finish(const arenafit_conv* params, const arenafit_conv_data* data, int32_t channel,
                     uint32_t sum) {
  const int32_t scaled =
      arenafit_requantize((int32_t)sum, data->multipliers[channel], data->shifts[channel]);
  return (int8_t)arenafit_clamp(arenafit_wrapping_add(scaled, params->output_offset),
                                params->clamp_min, params->clamp_max);
}

static int is_complete(const int8_t* const* rows, int32_t count) {
  for (int32_t i = 0; i < count; ++i) {
    if (rows[i] == NULL) {
      return 0;
    }
  }
  return 1;
}

void arenafit_conv_2d_row_s8(const arenafit_conv* params, const arenafit_conv_data* data,
                             const arenafit_tensor* input, const int8_t* const* rows,
                             const int32_t* sums, const arenafit_tensor* output, void* out) {
  const arenafit_window* window = &params->window;
  const int32_t kernel_h = window->kernel_h, kernel_w = window->kernel_w;
  const int32_t dilation = window->dilation_w, channels = output->channels;
  const int32_t depth = input->channels / params->groups;
  const int32_t group = channels / params->groups; /* output channels of each */
  const int32_t filter_row = kernel_w * depth;
  /* Where pixels of the window are neighbours, a row of it is one run in both factors. */
  const int in_runs = dilation == 1 && params->groups == 1;
  const int complete = is_complete(rows, kernel_h);
  int8_t* out_s8 = out;
  int32_t* out_s32 = out;
  for (int32_t pixel = 0; pixel < output->width; ++pixel) {
    const taps inside =
        taps_inside(pixel * window->stride_w - window->pad_w, kernel_w, dilation, input->width);
    const int whole = complete && inside.first == 0 && inside.end == kernel_w;
    const int32_t* bias = whole ? data->folded : data->bias;
    const int32_t offset = whole ? 0 : params->input_offset;
    const int8_t* weights = data->weights;
    for (int32_t channel = 0; channel < channels; ++channel) {
      uint32_t sum = (uint32_t)bias[channel];
      const int32_t start = inside.column * input->channels + channel / group * depth;
      for (int32_t i = 0; i < kernel_h; ++i, weights += filter_row) {
        if (rows[i] == NULL || inside.first >= inside.end) {
          continue;
        }
        const int8_t* x = rows[i] + start;
        const int8_t* w = weights + inside.first * depth;
        if (in_runs) {
          sum = dot(x, w, (inside.end - inside.first) * depth, offset, sum);
          continue;
        }
        for (int32_t j = inside.first; j < inside.end; ++j) {
          sum = dot(x, w, depth, offset, sum);
          x += dilation * input->channels;
          w += depth;
        }
      }
      if (sums != NULL) {
        sum += (uint32_t)*sums++;
      }
      if (data->multipliers == NULL) {
        *out_s32++ = (int32_t)sum;
      } else {
        *out_s8++ = finish(params, data, channel, sum);
      }
    }
  }
}

/* Output channels whose sums are kept at once. */
enum { kBlock = 16 };

void arenafit_depthwise_conv_2d_row_s8(const arenafit_conv* params, const arenafit_conv_data* data,
                                       const arenafit_tensor* input, const int8_t* const* rows,
                                       const arenafit_tensor* output, int8_t* out) {
  const arenafit_window* window = &params->window;
  const int32_t kernel_h = window->kernel_h, kernel_w = window->kernel_w;
  const int32_t channels = output->channels, multiplier = channels / input->channels;
  const int32_t step = window->dilation_w * input->channels;
  const int complete = is_complete(rows, kernel_h);
  uint32_t sums[kBlock];
  for (int32_t pixel = 0; pixel < output->width; ++pixel) {
    const taps inside = taps_inside(pixel * window->stride_w - window->pad_w, kernel_w,
                                    window->dilation_w, input->width);
    const int whole = complete && inside.first == 0 && inside.end == kernel_w;
    const int32_t* bias = whole ? data->folded : data->bias;
    const int32_t offset = whole ? 0 : params->input_offset;
    for (int32_t channel = 0; channel < channels; channel += kBlock) {
      const int32_t left = channels - channel, count = left < kBlock ? left : kBlock;
      for (int32_t k = 0; k < count; ++k) {
        sums[k] = (uint32_t)bias[channel + k];
      }
      for (int32_t i = 0; i < kernel_h; ++i) {
        if (rows[i] == NULL || inside.first >= inside.end) {
          continue;
        }
        const int8_t* w = data->weights + (i * kernel_w + inside.first) * channels + channel;
        const int8_t* x = rows[i] + inside.column * input->channels;
        for (int32_t j = inside.first; j < inside.end; ++j, w += channels, x += step) {
          if (multiplier == 1) {
            for (int32_t k = 0; k < count; ++k) {
              sums[k] += (uint32_t)((x[channel + k] + offset) * w[k]);
            }
          } else {
            for (int32_t k = 0; k < count; ++k) {
              sums[k] += (uint32_t)((x[(channel + k) / multiplier] + offset) * w[k]);
            }
          }
        }
      }
      for (int32_t k = 0; k < count; ++k) {
        *out++ = finish(params, data, channel + k, sums[k]);
      }
    }
  }
}

void arenafit_fully_connected_row_s8(const arenafit_conv* params, const arenafit_conv_data* data,
                                     const arenafit_tensor* input, int32_t y, const int8_t* row,
                                     int32_t* sums, const arenafit_tensor* output, int8_t* out) {
  const int32_t count = input->width * input->channels;
  const int8_t* weights = data->weights + (ptrdiff_t)y * count;
  const int last = y == input->rows - 1;
  for (int32_t channel = 0; channel < output->channels; ++channel) {
    const int32_t before = y == 0 ? data->folded[channel] : sums[channel];
    const uint32_t sum = dot(row, weights, count, 0, (uint32_t)before);
    if (last) {
      out[channel] = finish(params, data, channel, sum);
    } else {
      sums[channel] = (int32_t)sum;
    }
    weights += (ptrdiff_t)input->rows * count;
  }
}
