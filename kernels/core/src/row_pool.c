#include <stddef.h>
#include <string.h>

#include "arenafit/quant.h"
#include "arenafit/rows.h"

/* The columns of a window that are inside of the image. */
typedef struct {
  int32_t first, end;
} columns;

static columns columns_inside(const arenafit_window* window, int32_t pixel, int32_t width) {
  const int32_t start = pixel * window->stride_w - window->pad_w;
  const int32_t end = start + window->kernel_w;
  return (columns){start < 0 ? 0 : start, end < width ? end : width};
}

static int8_t clamp(const arenafit_pool* params, int32_t value) {
  return (int8_t)arenafit_clamp(value, params->clamp_min, params->clamp_max);
}

/* To the nearest, halves away from 0. */
static int32_t average(int32_t sum, int32_t count) {
  return (sum > 0 ? sum + count / 2 : sum - count / 2) / count;
}

void arenafit_max_pool_2d_row_s8(const arenafit_pool* params, const arenafit_tensor* input,
                                 const int8_t* const* rows, const arenafit_tensor* output,
                                 int8_t* out) {
  const int32_t channels = input->channels;
  for (int32_t pixel = 0; pixel < output->width; ++pixel, out += channels) {
    const columns inside = columns_inside(&params->window, pixel, input->width);
    memset(out, INT8_MIN, (size_t)channels);
    for (int32_t i = 0; i < params->window.kernel_h; ++i) {
      if (rows[i] == NULL) {
        continue;
      }
      const int8_t* x = rows[i] + inside.first * channels;
      for (int32_t j = inside.first; j < inside.end; ++j, x += channels) {
        for (int32_t k = 0; k < channels; ++k) {
          out[k] = out[k] < x[k] ? x[k] : out[k];
        }
      }
    }
    for (int32_t k = 0; k < channels; ++k) {
      out[k] = clamp(params, out[k]);
    }
  }
}

/* Channels whose sums are kept at once. */
enum { kBlock = 16 };

void arenafit_average_pool_2d_row_s8(const arenafit_pool* params, const arenafit_tensor* input,
                                     const int8_t* const* rows, const arenafit_tensor* output,
                                     int8_t* out) {
  const int32_t channels = input->channels;
  int32_t height = 0;
  for (int32_t i = 0; i < params->window.kernel_h; ++i) {
    height += rows[i] != NULL;
  }
  for (int32_t pixel = 0; pixel < output->width; ++pixel) {
    const columns inside = columns_inside(&params->window, pixel, input->width);
    const int32_t count = height * (inside.end - inside.first);
    for (int32_t channel = 0; channel < channels; channel += kBlock) {
      const int32_t left = channels - channel, block = left < kBlock ? left : kBlock;
      int32_t sums[kBlock] = {0};
      for (int32_t i = 0; i < params->window.kernel_h; ++i) {
        if (rows[i] == NULL) {
          continue;
        }
        const int8_t* x = rows[i] + inside.first * channels + channel;
        for (int32_t j = inside.first; j < inside.end; ++j, x += channels) {
          for (int32_t k = 0; k < block; ++k) {
            sums[k] += x[k];
          }
        }
      }
      for (int32_t k = 0; k < block; ++k) {
        *out++ = clamp(params, average(sums[k], count));
      }
    }
  }
}

/* Adds a row to the sums of its channels; row 0 begins them. */
static void add_row(const arenafit_tensor* input, int32_t y, const int8_t* row, int32_t* sums) {
  const int32_t channels = input->channels;
  if (y == 0) {
    memset(sums, 0, (size_t)channels * sizeof *sums);
  }
  for (int32_t pixel = 0; pixel < input->width; ++pixel, row += channels) {
    for (int32_t k = 0; k < channels; ++k) {
      sums[k] = arenafit_wrapping_add(sums[k], row[k]);
    }
  }
}

void arenafit_global_average_pool_row_s8(const arenafit_pool* params, const arenafit_tensor* input,
                                         int32_t y, const int8_t* row, int32_t* sums, int8_t* out) {
  add_row(input, y, row, sums);
  if (y == input->rows - 1) {
    for (int32_t k = 0; k < input->channels; ++k) {
      out[k] = clamp(params, average(sums[k], input->rows * input->width));
    }
  }
}

void arenafit_global_max_pool_row_s8(const arenafit_pool* params, const arenafit_tensor* input,
                                     int32_t y, const int8_t* row, int32_t* maxima, int8_t* out) {
  const int32_t channels = input->channels;
  for (int32_t k = 0; y == 0 && k < channels; ++k) {
    maxima[k] = INT8_MIN;
  }
  for (int32_t pixel = 0; pixel < input->width; ++pixel, row += channels) {
    for (int32_t k = 0; k < channels; ++k) {
      maxima[k] = maxima[k] < row[k] ? row[k] : maxima[k];
    }
  }
  if (y == input->rows - 1) {
    for (int32_t k = 0; k < channels; ++k) {
      out[k] = clamp(params, maxima[k]);
    }
  }
}

void arenafit_mean_row_s8(const arenafit_mean* params, const arenafit_tensor* input, int32_t y,
                          const int8_t* row, int32_t* sums, int8_t* out) {
  add_row(input, y, row, sums);
  if (y == input->rows - 1) {
    for (int32_t k = 0; k < input->channels; ++k) {
      const int32_t scaled = arenafit_requantize(arenafit_wrapping_add(sums[k], params->sum_offset),
                                                 params->multiplier, params->shift);
      out[k] = (int8_t)arenafit_clamp(arenafit_wrapping_add(scaled, params->output_offset),
                                      INT8_MIN, INT8_MAX);
    }
  }
}
