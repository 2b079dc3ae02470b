/* Where windows lie in an image. */
#ifndef ARENAFIT_ROW_WINDOW_H_
#define ARENAFIT_ROW_WINDOW_H_

#include <stddef.h>
#include <stdint.h>

#include "arenafit/program.h"

/* Taps, or rows, or pixels [first, end). */
typedef struct {
  int32_t first, end;
} arenafit_range_of;

/* The taps of a window that are inside of an image `width` wide, for pixel number `pixel`. */
static inline arenafit_range_of arenafit_taps_inside(const arenafit_window* window, int32_t pixel,
                                                     int32_t width) {
  const int32_t kernel = window->kernel_w, dilation = window->dilation_w;
  const int32_t start = pixel * window->stride_w - window->pad_w;
  arenafit_range_of taps = {0, kernel};
  if (start < 0) {
    taps.first = (dilation - 1 - start) / dilation;
  }
  if (start + (kernel - 1) * dilation >= width) {
    taps.end = (width - start + dilation - 1) / dilation;
  }
  return taps;
}

/* The pixels, of `out`, whose windows have all of their columns inside of an image `width` wide. */
static inline arenafit_range_of arenafit_interior(const arenafit_window* window, int32_t width,
                                                  int32_t out) {
  const int32_t stride = window->stride_w;
  const int32_t reach = width + window->pad_w - (window->kernel_w - 1) * window->dilation_w;
  const int32_t first = (window->pad_w + stride - 1) / stride;
  const int32_t end = reach <= 0 ? 0 : (reach + stride - 1) / stride;
  return (arenafit_range_of){first < out ? first : out, end < out ? end : out};
}

/* The rows of a window that are inside of the image: neighbours. */
static inline arenafit_range_of arenafit_rows_inside(const int8_t* const* rows, int32_t count) {
  arenafit_range_of inside = {0, count};
  while (inside.first < count && rows[inside.first] == NULL) {
    ++inside.first;
  }
  while (inside.end > inside.first && rows[inside.end - 1] == NULL) {
    --inside.end;
  }
  return inside;
}

#endif /* ARENAFIT_ROW_WINDOW_H_ */
