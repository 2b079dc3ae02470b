#include <stddef.h>

#include "arenafit/quant.h"
#include "arenafit/rows_s16.h"
#include "row_window.h"

#ifndef ARENAFIT_NO_S16

/* To the nearest, halves away from 0; in 64 bits, for sums that wrapped. */
static int32_t average(int32_t sum, int32_t count) {
  const int64_t half = sum > 0 ? count / 2 : -(count / 2);
  return (int32_t)((sum + half) / count);
}

static int16_t clamp(const arenafit_pool* params, int32_t value) {
  return (int16_t)arenafit_clamp(value, params->clamp_min, params->clamp_max);
}

void arenafit_max_pool_2d_row_s16(const arenafit_pool* params, const arenafit_tensor* input,
                                  const int16_t* const* rows, const arenafit_tensor* output,
                                  int16_t* out) {
  const arenafit_window* window = &params->window;
  const int32_t channels = input->channels;
  for (int32_t pixel = 0; pixel < output->width; ++pixel) {
    const arenafit_range_of taps = arenafit_taps_inside(window, pixel, input->width);
    const int32_t column = pixel * window->stride_w - window->pad_w + taps.first;
    for (int32_t k = 0; k < channels; ++k) {
      int32_t largest = INT16_MIN;
      for (int32_t i = 0; i < window->kernel_h; ++i) {
        const int16_t* x = rows[i] == NULL ? NULL : rows[i] + column * channels + k;
        for (int32_t j = taps.first; x != NULL && j < taps.end; ++j, x += channels) {
          largest = largest < *x ? *x : largest;
        }
      }
      *out++ = clamp(params, largest);
    }
  }
}

void arenafit_average_pool_2d_row_s16(const arenafit_pool* params, const arenafit_tensor* input,
                                      const int16_t* const* rows, const arenafit_tensor* output,
                                      int16_t* out) {
  const arenafit_window* window = &params->window;
  const int32_t channels = input->channels;
  int32_t height = 0;
  for (int32_t i = 0; i < window->kernel_h; ++i) {
    height += rows[i] != NULL;
  }
  for (int32_t pixel = 0; pixel < output->width; ++pixel) {
    const arenafit_range_of taps = arenafit_taps_inside(window, pixel, input->width);
    const int32_t column = pixel * window->stride_w - window->pad_w + taps.first;
    for (int32_t k = 0; k < channels; ++k) {
      int32_t sum = 0;
      for (int32_t i = 0; i < window->kernel_h; ++i) {
        const int16_t* x = rows[i] == NULL ? NULL : rows[i] + column * channels + k;
        for (int32_t j = taps.first; x != NULL && j < taps.end; ++j, x += channels) {
          sum = arenafit_wrapping_add(sum, *x);
        }
      }
      *out++ = clamp(params, average(sum, height * (taps.end - taps.first)));
    }
  }
}

/* Adds a row to the sums of its channels; row 0 begins them. */
static void add_row(const arenafit_tensor* input, int32_t y, const int16_t* row, int32_t* sums) {
  const int32_t channels = input->channels;
  for (int32_t k = 0; y == 0 && k < channels; ++k) {
    sums[k] = 0;
  }
  for (int32_t pixel = 0; pixel < input->width; ++pixel, row += channels) {
    for (int32_t k = 0; k < channels; ++k) {
      sums[k] = arenafit_wrapping_add(sums[k], row[k]);
    }
  }
}

void arenafit_global_average_pool_row_s16(const arenafit_pool* params, const arenafit_tensor* input,
                                          int32_t y, const int16_t* row, int32_t* sums,
                                          int16_t* out) {
  add_row(input, y, row, sums);
  for (int32_t k = 0; y == input->rows - 1 && k < input->channels; ++k) {
    out[k] = clamp(params, average(sums[k], input->rows * input->width));
  }
}

void arenafit_global_max_pool_row_s16(const arenafit_pool* params, const arenafit_tensor* input,
                                      int32_t y, const int16_t* row, int32_t* maxima,
                                      int16_t* out) {
  const int32_t channels = input->channels;
  for (int32_t k = 0; y == 0 && k < channels; ++k) {
    maxima[k] = INT16_MIN;
  }
  for (int32_t pixel = 0; pixel < input->width; ++pixel, row += channels) {
    for (int32_t k = 0; k < channels; ++k) {
      maxima[k] = maxima[k] < row[k] ? row[k] : maxima[k];
    }
  }
  for (int32_t k = 0; y == input->rows - 1 && k < channels; ++k) {
    out[k] = clamp(params, maxima[k]);
  }
}

void arenafit_mean_row_s16(const arenafit_mean* params, const arenafit_tensor* input, int32_t y,
                           const int16_t* row, int32_t* sums, int16_t* out) {
  add_row(input, y, row, sums);
  for (int32_t k = 0; y == input->rows - 1 && k < input->channels; ++k) {
    const int32_t scaled = arenafit_requantize(arenafit_wrapping_add(sums[k], params->sum_offset),
                                               params->multiplier, params->shift);
    out[k] = (int16_t)arenafit_clamp(arenafit_wrapping_add(scaled, params->output_offset),
                                     INT16_MIN, INT16_MAX);
  }
}

#endif /* ARENAFIT_NO_S16 */
