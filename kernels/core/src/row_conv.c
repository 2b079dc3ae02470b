#include <stddef.h>
#include <string.h>

#include "arenafit/quant.h"
#include "arenafit/rows.h"

#ifdef __ARM_FEATURE_SIMD32
#include <arm_acle.h>
#endif

/* Output channels that are computed at once, so that an input is read once for all of them. */
enum { kBlock = 4 };

/* Sums go through uint32_t: what a damaged program makes overflow, wraps. */
static uint32_t dot(const int8_t* x, const int8_t* weights, int32_t count, int32_t offset,
                    uint32_t sum) {
  for (int32_t i = 0; i < count; ++i) {
    sum += (uint32_t)((x[i] + offset) * weights[i]);
  }
  return sum;
}

#ifdef __ARM_FEATURE_SIMD32

/* Four bytes as two pairs of 16 bits, 0 and 2, 1 and 3, with an offset added to each. */
typedef struct {
  int16x2_t even, odd;
} quad;

static inline int8x4_t load(const int8_t* bytes) {
  int8x4_t word;
  memcpy(&word, bytes, sizeof word);
  return word;
}

/* The odd bytes: an instruction that compilers do not find by themselves. */
static inline int16x2_t widen_odd(int8x4_t word) {
  int16x2_t pair;
  __asm__("sxtb16 %0, %1, ror #8" : "=r"(pair) : "r"(word));
  return pair;
}

static inline int16x2_t widen_odd_and_add(int8x4_t word, int16x2_t offsets) {
  int16x2_t pair;
  __asm__("sxtab16 %0, %1, %2, ror #8" : "=r"(pair) : "r"(offsets), "r"(word));
  return pair;
}

static inline quad widen(const int8_t* bytes) {
  const int8x4_t word = load(bytes);
  return (quad){__sxtb16(word), widen_odd(word)};
}

static inline quad widen_and_add(const int8_t* bytes, int16x2_t offsets) {
  const int8x4_t word = load(bytes);
  return (quad){__sxtab16(offsets, word), widen_odd_and_add(word, offsets)};
}

static inline int16x2_t pair_of(int32_t value) {
  return (int16x2_t)(((uint32_t)value & 0xFFFF) | (uint32_t)value << 16);
}

/* What `count` inputs add to the sums of kBlock output channels, whose weights are `stride` bytes
 * apart. Not inline: there are just enough registers for the loop. */
static __attribute__((noinline)) void dot_block(const int8_t* x, const int8_t* weights,
                                                ptrdiff_t stride, int32_t count, int32_t offset,
                                                uint32_t* sums) {
  const int16x2_t offsets = pair_of(offset);
  const int8_t *low = weights, *high = weights + 2 * stride;
  const int8_t* const end = x + count;
  int32_t s0 = (int32_t)sums[0], s1 = (int32_t)sums[1];
  int32_t s2 = (int32_t)sums[2], s3 = (int32_t)sums[3];
  for (; end - x >= 4; x += 4, low += 4, high += 4) {
    const quad value = widen_and_add(x, offsets);
    quad factor = widen(low);
    s0 = __smlad(value.odd, factor.odd, __smlad(value.even, factor.even, s0));
    factor = widen(low + stride);
    s1 = __smlad(value.odd, factor.odd, __smlad(value.even, factor.even, s1));
    factor = widen(high);
    s2 = __smlad(value.odd, factor.odd, __smlad(value.even, factor.even, s2));
    factor = widen(high + stride);
    s3 = __smlad(value.odd, factor.odd, __smlad(value.even, factor.even, s3));
  }
  for (; x < end; ++x, ++low, ++high) {
    const int16_t value = (int16_t)(*x + offset);
    s0 = __smlabb(value, *low, s0);
    s1 = __smlabb(value, low[stride], s1);
    s2 = __smlabb(value, *high, s2);
    s3 = __smlabb(value, high[stride], s3);
  }
  sums[0] = (uint32_t)s0, sums[1] = (uint32_t)s1, sums[2] = (uint32_t)s2, sums[3] = (uint32_t)s3;
}

/* What one tap adds to the sums of kBlock channels. */
static inline void multiply_block(const int8_t* x, const int8_t* weights, int32_t offset,
                                  uint32_t* sums) {
  const quad value = widen_and_add(x, pair_of(offset)), factor = widen(weights);
  sums[0] = (uint32_t)__smlabb(value.even, factor.even, (int32_t)sums[0]);
  sums[1] = (uint32_t)__smlabb(value.odd, factor.odd, (int32_t)sums[1]);
  sums[2] = (uint32_t)__smlatt(value.even, factor.even, (int32_t)sums[2]);
  sums[3] = (uint32_t)__smlatt(value.odd, factor.odd, (int32_t)sums[3]);
}

#else

static inline void dot_block(const int8_t* x, const int8_t* weights, ptrdiff_t stride,
                             int32_t count, int32_t offset, uint32_t* sums) {
  const int8_t *w0 = weights, *w1 = w0 + stride, *w2 = w1 + stride, *w3 = w2 + stride;
  uint32_t s0 = sums[0], s1 = sums[1], s2 = sums[2], s3 = sums[3];
  for (int32_t i = 0; i < count; ++i) {
    const int32_t value = x[i] + offset;
    s0 += (uint32_t)(value * w0[i]);
    s1 += (uint32_t)(value * w1[i]);
    s2 += (uint32_t)(value * w2[i]);
    s3 += (uint32_t)(value * w3[i]);
  }
  sums[0] = s0, sums[1] = s1, sums[2] = s2, sums[3] = s3;
}

static inline void multiply_block(const int8_t* x, const int8_t* weights, int32_t offset,
                                  uint32_t* sums) {
  sums[0] += (uint32_t)((x[0] + offset) * weights[0]);
  sums[1] += (uint32_t)((x[1] + offset) * weights[1]);
  sums[2] += (uint32_t)((x[2] + offset) * weights[2]);
  sums[3] += (uint32_t)((x[3] + offset) * weights[3]);
}

#endif

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
  const ptrdiff_t filter = (ptrdiff_t)kernel_h * filter_row;
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
    /* Taps that are taken in one go, and the inputs that they are. */
    const int32_t step = in_runs ? inside.end - inside.first : 1;
    const int32_t count = step * depth;
    for (int32_t channel = 0, block; channel < channels; channel += block) {
      block = params->groups == 1 && channels - channel >= kBlock ? kBlock : 1;
      uint32_t partial[kBlock];
      for (int32_t k = 0; k < block; ++k) {
        partial[k] = (uint32_t)bias[channel + k];
      }
      const int32_t start = inside.column * input->channels + channel / group * depth;
      const int8_t* weights = data->weights + (ptrdiff_t)channel * filter + inside.first * depth;
      for (int32_t i = 0; i < kernel_h; ++i, weights += filter_row) {
        if (rows[i] == NULL) {
          continue;
        }
        const int8_t *x = rows[i] + start, *w = weights;
        for (int32_t j = inside.first; j < inside.end; j += step) {
          if (block == kBlock) {
            dot_block(x, w, filter, count, offset, partial);
          } else {
            partial[0] = dot(x, w, count, offset, partial[0]);
          }
          x += dilation * input->channels;
          w += depth;
        }
      }
      for (int32_t k = 0; k < block; ++k) {
        const uint32_t sum = sums == NULL ? partial[k] : partial[k] + (uint32_t)*sums++;
        if (data->multipliers == NULL) {
          *out_s32++ = (int32_t)sum;
        } else {
          *out_s8++ = finish(params, data, channel + k, sum);
        }
      }
    }
  }
}

void arenafit_depthwise_conv_2d_row_s8(const arenafit_conv* params, const arenafit_conv_data* data,
                                       const arenafit_tensor* input, const int8_t* const* rows,
                                       const arenafit_tensor* output, int8_t* out) {
  const arenafit_window* window = &params->window;
  const int32_t kernel_h = window->kernel_h, kernel_w = window->kernel_w;
  const int32_t channels = output->channels, multiplier = channels / input->channels;
  const int32_t step = window->dilation_w * input->channels;
  const int complete = is_complete(rows, kernel_h);
  for (int32_t pixel = 0; pixel < output->width; ++pixel) {
    const taps inside = taps_inside(pixel * window->stride_w - window->pad_w, kernel_w,
                                    window->dilation_w, input->width);
    const int whole = complete && inside.first == 0 && inside.end == kernel_w;
    const int32_t* bias = whole ? data->folded : data->bias;
    const int32_t offset = whole ? 0 : params->input_offset;
    for (int32_t channel = 0, block; channel < channels; channel += block) {
      block = multiplier == 1 && channels - channel >= kBlock ? kBlock : 1;
      uint32_t sums[kBlock];
      for (int32_t k = 0; k < block; ++k) {
        sums[k] = (uint32_t)bias[channel + k];
      }
      const int32_t start = inside.column * input->channels + channel / multiplier;
      const int8_t* weights = data->weights + (ptrdiff_t)inside.first * channels + channel;
      for (int32_t i = 0; i < kernel_h; ++i, weights += kernel_w * channels) {
        if (rows[i] == NULL) {
          continue;
        }
        const int8_t *x = rows[i] + start, *w = weights;
        for (int32_t j = inside.first; j < inside.end; ++j, w += channels, x += step) {
          if (block == kBlock) {
            multiply_block(x, w, offset, sums);
          } else {
            sums[0] += (uint32_t)((*x + offset) * *w);
          }
        }
      }
      for (int32_t k = 0; k < block; ++k) {
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
  const ptrdiff_t filter = (ptrdiff_t)input->rows * count;
  const int last = y == input->rows - 1;
  const int32_t* before = y == 0 ? data->folded : sums;
  for (int32_t channel = 0, block; channel < output->channels; channel += block) {
    block = output->channels - channel >= kBlock ? kBlock : 1;
    uint32_t partial[kBlock];
    for (int32_t k = 0; k < block; ++k) {
      partial[k] = (uint32_t)before[channel + k];
    }
    if (block == kBlock) {
      dot_block(row, weights, filter, count, 0, partial);
    } else {
      partial[0] = dot(row, weights, count, 0, partial[0]);
    }
    for (int32_t k = 0; k < block; ++k) {
      if (last) {
        out[channel + k] = finish(params, data, channel + k, partial[k]);
      } else {
        sums[channel + k] = (int32_t)partial[k];
      }
    }
    weights += block * filter;
  }
}
