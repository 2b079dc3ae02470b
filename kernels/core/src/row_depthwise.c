#include <stddef.h>

#include "arenafit/quant.h"
#include "arenafit/rows.h"
#include "row_dot.h"
#include "row_scale.h"
#include "row_window.h"

/* Taps of a window that are listed; what has more is computed by single channels. */
enum { kTaps = 32 };

/* A row in the making. */
typedef struct {
  const arenafit_conv* params;
  const arenafit_conv_data* data;
  const int8_t* const* rows;
  int8_t* out;
  arenafit_range_of inside;   /* rows of the window in the image */
  arenafit_range_of interior; /* pixels whose windows have all columns in the image */
  int32_t input_width, input_channels;
  int32_t width, channels; /* of the output */
  int32_t taps;            /* of a window */
} work;

static int is_interior(const work* it, int32_t pixel) {
  return pixel >= it->interior.first && pixel < it->interior.end;
}

static int is_whole(const work* it) {
  return it->inside.end - it->inside.first == it->params->window.kernel_h;
}

/* Where in a row of the input the window of a pixel begins. */
static int32_t start_of(const work* it, int32_t pixel) {
  return (pixel * it->params->window.stride_w - it->params->window.pad_w) * it->input_channels;
}

/* ---- one channel ----------------------------------------------------------------------------- */

/* The weights of a channel, and how far it is to those of the next tap. */
typedef struct {
  const int8_t* first;
  int32_t step;
} filter;

static filter filter_of(const work* it, int32_t channel) {
  const int32_t blocked = it->channels - it->channels % kBlock;
  const int8_t* weights = it->data->weights;
  if (it->params->layout != ARENAFIT_LAYOUT_BLOCKS) {
    return (filter){weights + channel, it->channels};
  }
  if (channel >= blocked) {
    return (filter){weights + it->taps * blocked + channel - blocked, it->channels - blocked};
  }
  const int32_t in_block = channel % kBlock;
  return (filter){weights + it->taps * (channel - in_block) + in_block, kBlock};
}

static void make_channel(const work* it, int32_t channel) {
  const arenafit_window* window = &it->params->window;
  const filter weights = filter_of(it, channel);
  const int32_t source = channel / (it->channels / it->input_channels);
  const int32_t step = window->dilation_w * it->input_channels;
  for (int32_t pixel = 0; pixel < it->width; ++pixel) {
    const arenafit_range_of taps = arenafit_taps_inside(window, pixel, it->input_width);
    const int whole = is_whole(it) && is_interior(it, pixel);
    const int32_t offset = whole ? 0 : it->params->input_offset;
    uint32_t sum = (uint32_t)(whole ? it->data->folded : it->data->bias)[channel];
    for (int32_t i = it->inside.first; i < it->inside.end; ++i) {
      const int8_t* x = it->rows[i] + (start_of(it, pixel) + source + taps.first * step);
      const int8_t* w = weights.first + (i * window->kernel_w + taps.first) * weights.step;
      for (int32_t j = taps.first; j < taps.end; ++j, x += step, w += weights.step) {
        sum += (uint32_t)((*x + offset) * *w);
      }
    }
    it->out[pixel * it->channels + channel] = arenafit_finish(it->params, it->data, channel, sum);
  }
}

/* ---- kBlock channels ------------------------------------------------------------------------- */

/* `count` taps, whose inputs are at taps[] + `at`, and whose weights follow each other. */
static inline void add_taps(const int8_t* const* taps, int32_t at, const int8_t* weights,
                            int32_t count, int32_t offset, arenafit_block_sums* sums) {
#if defined ARENAFIT_MVE
  int32x4_t sum = vreinterpretq_s32_u32(vldrwq_u32(sums->of));
  for (; count > 0; --count, weights += kBlock) {
    const int32x4_t value = vaddq_n_s32(vldrbq_s32(*taps++ + at), offset);
    sum = vaddq_s32(sum, vmulq_s32(value, vldrbq_s32(weights)));
  }
  vstrwq_u32(sums->of, vreinterpretq_u32_s32(sum));
#elif defined ARENAFIT_DSP
  const int16x2_t offsets = arenafit_pair(offset);
  uint32_t s0 = sums->of[0], s1 = sums->of[1], s2 = sums->of[2], s3 = sums->of[3];
  for (const int8_t* const* const end = taps + (count & ~1); taps != end;) {
    const arenafit_pointers two = arenafit_next_pointers(&taps);
    const int8x4_t x = arenafit_load(two.first + at), y = arenafit_load(two.second + at);
    const arenafit_words both = arenafit_next_two(&weights);
    const int8x4_t low = arenafit_low_halves(x, y);
    const int8x4_t low_weights = arenafit_low_halves(both.first, both.second);
    s0 = arenafit_smlad(__sxtab16(offsets, low), __sxtb16(low_weights), s0);
    s1 = arenafit_smlad(arenafit_sxtab16_odd(offsets, low), arenafit_sxtb16_odd(low_weights), s1);
    const int8x4_t high = arenafit_high_halves(x, y),
                   high_weights = arenafit_high_halves(both.first, both.second);
    s2 = arenafit_smlad(__sxtab16(offsets, high), __sxtb16(high_weights), s2);
    s3 = arenafit_smlad(arenafit_sxtab16_odd(offsets, high), arenafit_sxtb16_odd(high_weights), s3);
  }
  if ((count & 1) != 0) {
    const int8x4_t x = arenafit_load(taps[0] + at), a = arenafit_load_aligned(weights);
    const int16x2_t even = __sxtab16(offsets, x), odd = arenafit_sxtab16_odd(offsets, x);
    const int16x2_t even_weights = __sxtb16(a), odd_weights = arenafit_sxtb16_odd(a);
    s0 = (uint32_t)__smlabb(even, even_weights, (int32_t)s0);
    s1 = (uint32_t)__smlabb(odd, odd_weights, (int32_t)s1);
    s2 = (uint32_t)__smlatt(even, even_weights, (int32_t)s2);
    s3 = (uint32_t)__smlatt(odd, odd_weights, (int32_t)s3);
  }
  *sums = (arenafit_block_sums){{s0, s1, s2, s3}};
#else
  for (; count > 0; --count, weights += kBlock) {
    const int8_t* x = *taps++ + at;
    for (int i = 0; i < kBlock; ++i) {
      sums->of[i] += (uint32_t)((x[i] + offset) * weights[i]);
    }
  }
#endif
}

/* A window that has columns beside the image. */
static __attribute__((noinline)) void make_border(const work* it, const int8_t* const* taps,
                                                  const arenafit_scales* scales, int32_t channel,
                                                  int32_t pixel) {
  const int32_t kernel_w = it->params->window.kernel_w;
  const arenafit_range_of columns =
      arenafit_taps_inside(&it->params->window, pixel, it->input_width);
  const int8_t* weights = it->data->weights + it->taps * channel;
  arenafit_block_sums sums = arenafit_sums_from(it->data->bias + channel);
  for (int32_t i = it->inside.first; i < it->inside.end; ++i) {
    const int32_t tap = i * kernel_w + columns.first;
    add_taps(taps + tap, start_of(it, pixel) + channel, weights + tap * kBlock,
             columns.end - columns.first, it->params->input_offset, &sums);
  }
  arenafit_finish_block(scales, &sums, it->out + pixel * it->channels + channel);
}

/* Pixels whose windows have all columns in the image. */
static __attribute__((noinline)) void make_interior(const work* it, const int8_t* const* taps,
                                                    const arenafit_scales* its_scales,
                                                    int32_t channel) {
  const int whole = is_whole(it);
  const int32_t kernel_w = it->params->window.kernel_w;
  const int32_t first = it->inside.first * kernel_w;
  const int32_t count = it->inside.end * kernel_w - first;
  const int32_t offset = whole ? 0 : it->params->input_offset;
  const int32_t* biases = (whole ? it->data->folded : it->data->bias) + channel;
  const int8_t* weights = it->data->weights + it->taps * channel + first * kBlock;
  const int32_t stride = it->params->window.stride_w * it->input_channels;
  const arenafit_scales scales = *its_scales;
  const int32_t end = start_of(it, it->interior.end) + channel;
  int8_t* out = it->out + it->interior.first * it->channels + channel;
  taps += first;
  for (int32_t at = start_of(it, it->interior.first) + channel; at != end; at += stride) {
    arenafit_block_sums sums = arenafit_sums_from(biases);
    add_taps(taps, at, weights, count, offset, &sums);
    arenafit_finish_block(&scales, &sums, out);
    out += it->channels;
  }
}

static void make_block(const work* it, const int8_t* const* taps, int32_t channel) {
  arenafit_scales scales;
  arenafit_scales_of(it->params, it->data, channel, it->taps, &scales);
  for (int32_t pixel = 0; pixel < it->width; ++pixel) {
    if (pixel == it->interior.first && pixel < it->interior.end) {
      make_interior(it, taps, &scales, channel);
      pixel = it->interior.end - 1;
    } else {
      make_border(it, taps, &scales, channel, pixel);
    }
  }
}

void arenafit_depthwise_conv_2d_row_s8(const arenafit_conv* params, const arenafit_conv_data* data,
                                       const arenafit_tensor* input, const int8_t* const* rows,
                                       const arenafit_tensor* output, int8_t* out) {
  const arenafit_window* window = &params->window;
  const work it = {
      .params = params,
      .data = data,
      .rows = rows,
      .out = out,
      .inside = arenafit_rows_inside(rows, window->kernel_h),
      .interior = arenafit_interior(window, input->width, output->width),
      .input_width = input->width,
      .input_channels = input->channels,
      .width = output->width,
      .channels = output->channels,
      .taps = window->kernel_h * window->kernel_w,
  };
  int32_t channel = 0;
  if (params->layout == ARENAFIT_LAYOUT_BLOCKS && it.taps <= kTaps &&
      input->channels == output->channels) {
    const int8_t* taps[kTaps];
    for (int32_t i = it.inside.first; i < it.inside.end; ++i) {
      for (int32_t j = 0; j < window->kernel_w; ++j) {
        taps[i * window->kernel_w + j] = rows[i] + j * window->dilation_w * input->channels;
      }
    }
    for (; output->channels - channel >= kBlock; channel += kBlock) {
      make_block(&it, taps, channel);
    }
  }
  for (; channel < output->channels; ++channel) {
    make_channel(&it, channel);
  }
}
