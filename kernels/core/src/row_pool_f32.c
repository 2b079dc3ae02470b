#include <stddef.h>

#include "arenafit/rows_f32.h"
#include "row_f32.h"
#include "row_window.h"

#ifndef ARENAFIT_NO_F32

static float larger(float a, float b) { return a < b ? b : a; }

static void fill(float* out, int32_t count, float value) {
  for (int32_t k = 0; k < count; ++k) {
    out[k] = value;
  }
}

/* Adds the pixels of a row to sums, or takes them into maxima; in order. */

static void add(const float* row, int32_t pixels, int32_t channels, float* sums) {
  for (int32_t pixel = 0; pixel < pixels; ++pixel, row += channels) {
    for (int32_t k = 0; k < channels; ++k) {
      sums[k] += row[k];
    }
  }
}

static void raise(const float* row, int32_t pixels, int32_t channels, float* maxima) {
  for (int32_t pixel = 0; pixel < pixels; ++pixel, row += channels) {
    for (int32_t k = 0; k < channels; ++k) {
      maxima[k] = larger(maxima[k], row[k]);
    }
  }
}

static float clamp(const arenafit_pool_f32* params, float x) {
  return arenafit_clamp_f32(x, params->clamp_min, params->clamp_max);
}

void arenafit_max_pool_2d_row_f32(const arenafit_pool_f32* params, const arenafit_tensor* input,
                                  const float* const* rows, const arenafit_tensor* output,
                                  float* out) {
  const arenafit_window* window = &params->window;
  const int32_t channels = input->channels;
  for (int32_t pixel = 0; pixel < output->width; ++pixel, out += channels) {
    const arenafit_range_of taps = arenafit_taps_inside(window, pixel, input->width);
    const int32_t column = pixel * window->stride_w - window->pad_w + taps.first;
    fill(out, channels, ARENAFIT_LOWEST_F32);
    for (int32_t i = 0; i < window->kernel_h; ++i) {
      if (rows[i] != NULL) {
        raise(rows[i] + column * channels, taps.end - taps.first, channels, out);
      }
    }
    for (int32_t k = 0; k < channels; ++k) {
      out[k] = clamp(params, out[k]);
    }
  }
}

void arenafit_average_pool_2d_row_f32(const arenafit_pool_f32* params, const arenafit_tensor* input,
                                      const float* const* rows, const arenafit_tensor* output,
                                      float* out) {
  const arenafit_window* window = &params->window;
  const int32_t channels = input->channels;
  for (int32_t pixel = 0; pixel < output->width; ++pixel, out += channels) {
    const arenafit_range_of taps = arenafit_taps_inside(window, pixel, input->width);
    const int32_t column = pixel * window->stride_w - window->pad_w + taps.first;
    int32_t count = 0;
    fill(out, channels, 0);
    for (int32_t i = 0; i < window->kernel_h; ++i) {
      if (rows[i] != NULL) {
        add(rows[i] + column * channels, taps.end - taps.first, channels, out);
        count += taps.end - taps.first;
      }
    }
    for (int32_t k = 0; k < channels; ++k) {
      out[k] = clamp(params, out[k] / (float)count);
    }
  }
}

void arenafit_global_average_pool_row_f32(const arenafit_pool_f32* params,
                                          const arenafit_tensor* input, int32_t y, const float* row,
                                          float* sums, float* out) {
  const int32_t channels = input->channels;
  if (y == 0) {
    fill(sums, channels, 0);
  }
  add(row, input->width, channels, sums);
  for (int32_t k = 0; y == input->rows - 1 && k < channels; ++k) {
    out[k] = clamp(params, sums[k] / (float)(input->rows * input->width));
  }
}

void arenafit_global_max_pool_row_f32(const arenafit_pool_f32* params, const arenafit_tensor* input,
                                      int32_t y, const float* row, float* maxima, float* out) {
  const int32_t channels = input->channels;
  if (y == 0) {
    fill(maxima, channels, ARENAFIT_LOWEST_F32);
  }
  raise(row, input->width, channels, maxima);
  for (int32_t k = 0; y == input->rows - 1 && k < channels; ++k) {
    out[k] = clamp(params, maxima[k]);
  }
}

#endif /* ARENAFIT_NO_F32 */
