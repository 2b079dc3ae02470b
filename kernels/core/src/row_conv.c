#include <stddef.h>

#include "arenafit/quant.h"
#include "arenafit/rows.h"
#include "row_dot.h"
#include "row_scale.h"
#include "row_window.h"

/* A row in the making. A window is a number of runs: of inputs that are neighbours, as are their
 * weights. */
typedef struct {
  const arenafit_conv* params;
  const arenafit_conv_data* data;
  const int8_t* const* rows;
  const int32_t* sums;
  int8_t* out_s8;
  int32_t* out_s32;
  arenafit_range_of inside;   /* rows of the window in the image */
  arenafit_range_of interior; /* pixels whose windows have all columns in the image */
  int32_t input_width, input_channels;
  int32_t width, channels; /* of the output */
  int32_t depth;           /* input channels of a filter */
  int32_t runs, length;    /* of a row of the window, and of each */
  int32_t jump;            /* from run to run in the input */
  ptrdiff_t filter;        /* bytes of it */
} work;

static int is_interior(const work* it, int32_t pixel) {
  return pixel >= it->interior.first && pixel < it->interior.end;
}

/* Whether windows are whole, so that zero points are in data->folded. */
static int is_whole(const work* it) {
  return it->inside.end - it->inside.first == it->params->window.kernel_h;
}

/* The first tap of a window, in its row, where that is in the image. */
static int32_t start_of(const work* it, int32_t pixel) {
  return (pixel * it->params->window.stride_w - it->params->window.pad_w) * it->input_channels;
}

static int32_t row_of_filter(const work* it) { return it->runs * it->length; }

/* ---- one output channel ---------------------------------------------------------------------- */

static uint32_t sum_of(const work* it, int32_t pixel, int32_t channel) {
  const arenafit_window* window = &it->params->window;
  const arenafit_range_of taps = arenafit_taps_inside(window, pixel, it->input_width);
  const int whole = is_whole(it) && is_interior(it, pixel);
  const int32_t offset = whole ? 0 : it->params->input_offset;
  const int32_t group = it->channels / it->params->groups; /* output channels of each */
  /* Taps that are taken in one go. */
  const int32_t step = it->runs == 1 ? taps.end - taps.first : 1;
  const int32_t start = start_of(it, pixel) + channel / group * it->depth;
  uint32_t sum = (uint32_t)(whole ? it->data->folded : it->data->bias)[channel];
  for (int32_t i = it->inside.first; i < it->inside.end; ++i) {
    const int8_t* weights = it->data->weights + channel * it->filter + i * row_of_filter(it);
    for (int32_t j = taps.first; j < taps.end; j += step) {
      const int8_t* x = it->rows[i] + (start + j * window->dilation_w * it->input_channels);
      sum = arenafit_dot(x, weights + j * it->depth, step * it->depth, offset, sum);
    }
  }
  return sum;
}

static void make_channel(const work* it, int32_t channel) {
  int32_t at = channel;
  for (int32_t pixel = 0; pixel < it->width; ++pixel, at += it->channels) {
    uint32_t sum = sum_of(it, pixel, channel);
    if (it->sums != NULL) {
      sum += (uint32_t)it->sums[at];
    }
    if (it->data->multipliers == NULL) {
      it->out_s32[at] = (int32_t)sum;
    } else {
      it->out_s8[at] = arenafit_finish(it->params, it->data, channel, sum);
    }
  }
}

/* ---- kBlock output channels ------------------------------------------------------------------ */

/* None where the result is sums. */
static void get_scales(const work* it, int32_t channel, arenafit_scales* scales) {
  scales->multipliers = NULL;
  if (it->data->multipliers != NULL) {
    arenafit_scales_of(it->params, it->data, channel, it->sums == NULL ? it->filter : INT32_MAX,
                       scales);
  }
}

static const int8_t* block_of(const work* it, int32_t channel) {
  return it->data->weights + channel * it->filter;
}

/* The end of a pixel, of any kind. */
static void put(const work* it, const arenafit_scales* scales, int32_t channel, int32_t pixel,
                arenafit_block_sums sums) {
  const int32_t at = pixel * it->channels + channel;
  for (int i = 0; it->sums != NULL && i < kBlock; ++i) {
    sums.of[i] += (uint32_t)it->sums[at + i];
  }
  if (it->data->multipliers != NULL) {
    arenafit_finish_block(scales, &sums, it->out_s8 + at);
    return;
  }
  for (int i = 0; i < kBlock; ++i) {
    it->out_s32[at + i] = (int32_t)sums.of[i];
  }
}

/* Any pixel, and any kind of result. */
static __attribute__((noinline)) void make_pixel(const work* it, const arenafit_scales* scales,
                                                 int32_t channel, int32_t pixel) {
  const arenafit_range_of taps = arenafit_taps_inside(&it->params->window, pixel, it->input_width);
  const int interior = is_interior(it, pixel), whole = interior && is_whole(it);
  const int32_t offset = whole ? 0 : it->params->input_offset;
  const int32_t start = start_of(it, pixel) + taps.first * it->jump;
  const int32_t first = taps.first * it->depth, end = taps.end * it->depth;
  const int32_t length = it->length, row_bytes = row_of_filter(it) * kBlock;
  const int8_t* const* const end_of_rows = it->rows + it->inside.end;
  const int8_t* weights = block_of(it, channel) + it->inside.first * row_bytes;
  arenafit_block_sums sums =
      arenafit_sums_from((whole ? it->data->folded : it->data->bias) + channel);
  for (const int8_t* const* row = it->rows + it->inside.first; row != end_of_rows; ++row) {
    const int8_t* x = *row + start;
    if (it->runs == 1 && !interior && it->depth % 4 != 0) {
      arenafit_dot_block_part(x, weights, length, first, end, offset, &sums);
    } else {
      const int32_t count = it->runs == 1 ? end - first : length;
      for (int32_t k = first; k < end; k += count, x += it->jump) {
        arenafit_dot_block(x, weights + k * kBlock, count, offset, &sums);
      }
    }
    weights += row_bytes;
  }
  put(it, scales, channel, pixel, sums);
}

/* Pixels whose windows have all columns in the image, as bytes; of short runs that are whole
 * rows of the window. */
static __attribute__((noinline)) void make_interior(const work* it,
                                                    const arenafit_scales* its_scales,
                                                    int32_t channel) {
  const int whole = is_whole(it);
  const arenafit_offsets offsets = arenafit_offsets_of(whole ? 0 : it->params->input_offset);
  const int32_t* biases = (whole ? it->data->folded : it->data->bias) + channel;
  const int8_t* weights = block_of(it, channel) + it->inside.first * row_of_filter(it) * kBlock;
  const int8_t* const* first_row = it->rows + it->inside.first;
  const int8_t* const* end_of_rows = it->rows + it->inside.end;
  const int32_t length = it->length;
  const int32_t stride = it->params->window.stride_w * it->input_channels;
  const arenafit_scales scales = *its_scales;
  const int32_t end = start_of(it, it->interior.end);
  int8_t* out = it->out_s8 + it->interior.first * it->channels + channel;
  for (int32_t start = start_of(it, it->interior.first); start != end; start += stride) {
    arenafit_block_sums sums = arenafit_sums_from(biases);
    const int8_t* w = weights;
    for (const int8_t* const* row = first_row; row != end_of_rows; ++row) {
      w = arenafit_dot_exact(*row + start, w, length, offsets, &sums);
    }
    arenafit_finish_block(&scales, &sums, out);
    out += it->channels;
  }
}

static void make_block(const work* it, int32_t channel) {
  arenafit_scales scales;
  get_scales(it, channel, &scales);
  const int is_plain =
      it->sums == NULL && it->data->multipliers != NULL && it->runs == 1 && it->length <= kExact;
  for (int32_t pixel = 0; pixel < it->width; ++pixel) {
    if (is_plain && pixel == it->interior.first && pixel < it->interior.end) {
      make_interior(it, &scales, channel);
      pixel = it->interior.end - 1;
    } else {
      make_pixel(it, &scales, channel, pixel);
    }
  }
}

/* ---- kBlock output channels, plain layout: with vectors -------------------------------------- */

/* Pixels whose windows have all columns in the image, of whole windows, as bytes. */
static __attribute__((noinline)) void make_interior_of_vectors(const work* it,
                                                               const arenafit_scales* its_scales,
                                                               int32_t channel) {
  const arenafit_scales scales = *its_scales;
  const int32_t* biases = it->data->folded + channel;
  const int8_t* weights = it->data->weights + channel * it->filter;
  const int8_t* const* first_row = it->rows;
  const int8_t* const* end_of_rows = it->rows + it->params->window.kernel_h;
  const ptrdiff_t filter = it->filter;
  const int32_t length = it->length, runs = it->runs, jump = it->jump;
  const int32_t stride = it->params->window.stride_w * it->input_channels;
  const int32_t end = start_of(it, it->interior.end), channels = it->channels;
  int8_t* out = it->out_s8 + it->interior.first * channels + channel;
  for (int32_t start = start_of(it, it->interior.first); start != end; start += stride) {
    arenafit_block_sums sums = arenafit_sums_from(biases);
    const int8_t* w = weights;
    for (const int8_t* const* row = first_row; row != end_of_rows; ++row) {
      const int8_t* x = *row + start;
      for (int32_t j = 0; j < runs; ++j, x += jump, w += length) {
        arenafit_dot_vectors(x, w, filter, length, &sums);
      }
    }
    arenafit_finish_block(&scales, &sums, out);
    out += channels;
  }
}

/* Any pixel, and any kind of result. */
static void make_pixel_of_vectors(const work* it, const arenafit_scales* scales, int32_t channel,
                                  int32_t pixel) {
  const arenafit_range_of taps = arenafit_taps_inside(&it->params->window, pixel, it->input_width);
  const int whole = is_interior(it, pixel) && is_whole(it);
  const int32_t step = it->runs == 1 ? taps.end - taps.first : 1, count = step * it->depth;
  arenafit_block_sums sums =
      arenafit_sums_from((whole ? it->data->folded : it->data->bias) + channel);
  for (int32_t i = it->inside.first; i < it->inside.end; ++i) {
    const int8_t* row = it->data->weights + channel * it->filter + i * row_of_filter(it);
    for (int32_t j = taps.first; j < taps.end; j += step) {
      const int8_t* weights = row + j * it->depth;
      arenafit_dot_vectors(it->rows[i] + (start_of(it, pixel) + j * it->jump), weights, it->filter,
                           count, &sums);
      if (!whole) {
        arenafit_add_offset(weights, it->filter, count, it->params->input_offset, &sums);
      }
    }
  }
  put(it, scales, channel, pixel, sums);
}

static void make_block_of_vectors(const work* it, int32_t channel) {
  arenafit_scales scales;
  get_scales(it, channel, &scales);
  const int is_plain = it->sums == NULL && it->data->multipliers != NULL && is_whole(it);
  for (int32_t pixel = 0; pixel < it->width; ++pixel) {
    if (is_plain && pixel == it->interior.first && pixel < it->interior.end) {
      make_interior_of_vectors(it, &scales, channel);
      pixel = it->interior.end - 1;
    } else {
      make_pixel_of_vectors(it, &scales, channel, pixel);
    }
  }
}

void arenafit_conv_2d_row_s8(const arenafit_conv* params, const arenafit_conv_data* data,
                             const arenafit_tensor* input, const int8_t* const* rows,
                             const int32_t* sums, const arenafit_tensor* output, void* out) {
  const arenafit_window* window = &params->window;
  const int32_t depth = input->channels / params->groups;
  /* Where pixels of the window are neighbours, a row of it is one run in both factors. */
  const int in_runs = window->dilation_w == 1 && params->groups == 1;
  const work it = {
      .params = params,
      .data = data,
      .rows = rows,
      .sums = sums,
      .out_s8 = out,
      .out_s32 = out,
      .inside = arenafit_rows_inside(rows, window->kernel_h),
      .interior = arenafit_interior(window, input->width, output->width),
      .input_width = input->width,
      .input_channels = input->channels,
      .width = output->width,
      .channels = output->channels,
      .depth = depth,
      .runs = in_runs ? 1 : window->kernel_w,
      .length = in_runs ? window->kernel_w * depth : depth,
      .jump = window->dilation_w * input->channels,
      .filter = (ptrdiff_t)window->kernel_h * window->kernel_w * depth,
  };
  int32_t channel = 0;
  if (params->layout == ARENAFIT_LAYOUT_BLOCKS) {
    for (; output->channels - channel >= kBlock; channel += kBlock) {
      make_block(&it, channel);
    }
  }
  for (; kHasVectors && params->groups == 1 && output->channels - channel >= kBlock;
       channel += kBlock) {
    make_block_of_vectors(&it, channel);
  }
  for (; channel < output->channels; ++channel) {
    make_channel(&it, channel);
  }
}
