#include "arenafit/max_pool.h"

#include <string.h>

#if defined(__ARM_FEATURE_MVE)
#include <arm_mve.h>
#elif defined(__ARM_FEATURE_SIMD32)
#include <arm_acle.h>
#endif

/* ---- options and checks -------------------------------------------------------------------- */

enum { kWords = ARENAFIT_MAX_POOL_2D_OPTIONS_SIZE / 4, kVersion = 1 };

static uint32_t read_word(const uint8_t* bytes) {
  return (uint32_t)bytes[0] | (uint32_t)bytes[1] << 8 | (uint32_t)bytes[2] << 16 |
         (uint32_t)bytes[3] << 24;
}

arenafit_status arenafit_max_pool_2d_parse(const uint8_t* options, size_t size, arenafit_type type,
                                           arenafit_max_pool_2d_params* params, int32_t* claimed) {
  if (options == NULL || size != ARENAFIT_MAX_POOL_2D_OPTIONS_SIZE) {
    return ARENAFIT_BAD_OPTIONS;
  }
  int32_t words[kWords];
  for (size_t i = 0; i < kWords; ++i) {
    const uint32_t word = read_word(options + 4 * i);
    memcpy(&words[i], &word, sizeof word);
  }
  if (words[0] != kVersion) {
    return ARENAFIT_BAD_OPTIONS;
  }
  params->filter = (arenafit_tile){words[1], words[2]};
  params->stride = (arenafit_tile){words[3], words[4]};
  params->pad = (arenafit_tile){words[5], words[6]};
  if (type == ARENAFIT_F32) {
    memcpy(&params->clamp.f32.min, &words[7], sizeof(float));
    memcpy(&params->clamp.f32.max, &words[8], sizeof(float));
  } else {
    params->clamp.s32.min = words[7];
    params->clamp.s32.max = words[8];
  }
  *claimed = words[9];
  return ARENAFIT_OK;
}

static int is_extent(int32_t value) { return value >= 1 && value <= ARENAFIT_MAX_EXTENT; }

static int32_t size_of(arenafit_type type) {
  return type == ARENAFIT_S8 ? 1 : type == ARENAFIT_S16 ? 2 : 4;
}

/* Whether a tensor has elements, and not more bytes than an int32_t counts. */
static int is_tensor(const arenafit_dims* dims, arenafit_type type) {
  const int32_t extents[] = {dims->n, dims->h, dims->w, dims->c};
  int64_t bytes = size_of(type);
  for (size_t i = 0; i < 4; ++i) {
    if (!is_extent(extents[i])) {
      return 0;
    }
    bytes *= extents[i];
    if (bytes > INT32_MAX) {
      return 0;
    }
  }
  return 1;
}

/* Whether every window along one axis holds a pixel: the first does unless all of its filter is
 * padding, and the last unless it starts behind the image. */
static int is_window(int32_t filter, int32_t stride, int32_t pad, int32_t in, int32_t out) {
  return is_extent(filter) && is_extent(stride) && pad >= 0 && pad < filter &&
         (int64_t)(out - 1) * stride - pad < in;
}

static int is_clamp(const arenafit_range* clamp, arenafit_type type) {
  if (type == ARENAFIT_F32) {
    return clamp->f32.min <= clamp->f32.max; /* false for NaN */
  }
  const int32_t highest = type == ARENAFIT_S8 ? INT8_MAX : INT16_MAX;
  return clamp->s32.min >= -highest - 1 && clamp->s32.min <= clamp->s32.max &&
         clamp->s32.max <= highest;
}

arenafit_status arenafit_max_pool_2d_check(const arenafit_max_pool_2d_params* params,
                                           arenafit_type type, const arenafit_dims* input_dims,
                                           const arenafit_dims* output_dims) {
  if (!is_tensor(input_dims, type) || !is_tensor(output_dims, type) ||
      input_dims->n != output_dims->n || input_dims->c != output_dims->c) {
    return ARENAFIT_BAD_SHAPE;
  }
  if (!is_window(params->filter.h, params->stride.h, params->pad.h, input_dims->h,
                 output_dims->h) ||
      !is_window(params->filter.w, params->stride.w, params->pad.w, input_dims->w,
                 output_dims->w)) {
    return ARENAFIT_BAD_WINDOW;
  }
  return is_clamp(&params->clamp, type) ? ARENAFIT_OK : ARENAFIT_BAD_CLAMP;
}

/* ---- overlap ------------------------------------------------------------------------------- */

static const int64_t kNever = -(INT64_C(1) << 40); /* a lead below any that tensors can have */

/* First pixel along one axis that output `position` reads. */
static int32_t first_pixel(int32_t position, int32_t stride, int32_t pad) {
  const int32_t origin = position * stride - pad;
  return origin > 0 ? origin : 0;
}

static int64_t larger(int64_t a, int64_t b) { return a > b ? a : b; }

/* Largest lead of writing over reading along one axis, in pixels: output `position` lies
 * `out_step` pixels after the one before it, its first input `in_step` a pixel of the axis. */
static int64_t largest_lead(int32_t from, int32_t out, int32_t stride, int32_t pad,
                            int32_t out_step, int32_t in_step) {
  int64_t lead = kNever;
  for (int32_t position = from; position < out; ++position) {
    const int32_t first = first_pixel(position, stride, pad);
    lead = larger(lead, (int64_t)position * out_step - (int64_t)first * in_step);
  }
  return lead;
}

/* Just before output pixel q is written, all pixels before it have been, and the lowest pixel
 * still to be read is, among others, the first of q's window, f(q). So the distance is the
 * largest q - f(q) in pixels; it is a sum of what images, rows and columns add to it. Pixel 0
 * counts only when its later blocks of channels are read after its first has been written. */
int32_t arenafit_max_pool_2d_overlap(const arenafit_max_pool_2d_params* params, arenafit_type type,
                                     const arenafit_dims* input_dims,
                                     const arenafit_dims* output_dims) {
  const int32_t in_row = input_dims->w, out_row = output_dims->w;
  const int64_t rows =
      largest_lead(0, output_dims->h, params->stride.h, params->pad.h, out_row, in_row);
  const int64_t columns = largest_lead(0, out_row, params->stride.w, params->pad.w, 1, 1);
  int64_t lead = rows + columns;
  if (output_dims->c <= ARENAFIT_MAX_POOL_BLOCK) {
    lead = larger(
        largest_lead(1, output_dims->h, params->stride.h, params->pad.h, out_row, in_row) + columns,
        largest_lead(1, out_row, params->stride.w, params->pad.w, 1, 1));
  }
  if (output_dims->n > 1) { /* linear in the image, so largest in the second or in the last */
    const int64_t drift = (int64_t)output_dims->h * out_row - (int64_t)input_dims->h * in_row;
    lead = larger(lead, larger(drift, drift * (output_dims->n - 1)) + rows + columns);
  }
  const int64_t bytes = lead * output_dims->c * size_of(type);
  return bytes < INT32_MIN ? INT32_MIN : (int32_t)bytes;
}

static uintptr_t bytes_of(const arenafit_dims* dims, arenafit_type type) {
  return (uintptr_t)dims->n * (uintptr_t)dims->h * (uintptr_t)dims->w * (uintptr_t)dims->c *
         (uintptr_t)size_of(type);
}

arenafit_status arenafit_max_pool_2d_check_overlap(
    const arenafit_max_pool_2d_params* params, arenafit_type type, const arenafit_dims* input_dims,
    const void* input, const arenafit_dims* output_dims, const void* output) {
  const uintptr_t in = (uintptr_t)input, out = (uintptr_t)output;
  const int64_t distance = in >= out ? (int64_t)(in - out) : -(int64_t)(out - in);
  const int64_t least = arenafit_max_pool_2d_overlap(params, type, input_dims, output_dims);
  const int behind = out > in && out - in >= bytes_of(input_dims, type);
  return behind || distance >= least ? ARENAFIT_OK : ARENAFIT_BAD_OVERLAP;
}

/* ---- kernels ------------------------------------------------------------------------------- */

/* A block of maxima. What lies beyond the channels in use is of no account. */
typedef union {
  int8_t s8[ARENAFIT_MAX_POOL_BLOCK];
  int16_t s16[ARENAFIT_MAX_POOL_BLOCK];
  float f32[ARENAFIT_MAX_POOL_BLOCK];
  uint32_t words[ARENAFIT_MAX_POOL_BLOCK]; /* the same bytes, for lanes of them */
} block;

/* What depends on the element type; `count` channels each time. Comparisons are written as
 * std::max and std::min make them, which settles what becomes of NaN and of -0.0. */
typedef struct {
  size_t size;                                                   /* bytes an element */
  void (*start)(block* maxima);                                  /* the lowest value */
  void (*fold)(block* maxima, const void* pixel, int32_t count); /* one more pixel */
  void (*clamp)(block* maxima, const arenafit_range* to, int32_t count);
} element;

static void start_s8(block* maxima) { memset(maxima->s8, INT8_MIN, sizeof maxima->s8); }

static void start_s16(block* maxima) {
  for (int32_t i = 0; i < ARENAFIT_MAX_POOL_BLOCK; ++i) {
    maxima->s16[i] = INT16_MIN;
  }
}

static void start_f32(block* maxima) {
  for (int32_t i = 0; i < ARENAFIT_MAX_POOL_BLOCK; ++i) {
    maxima->f32[i] = -0x1.fffffep127F; /* -FLT_MAX */
  }
}

#if defined(__ARM_FEATURE_MVE)

static void fold_s8(block* maxima, const void* pixel, int32_t count) {
  const int8x16_t values = vldrbq_z_s8(pixel, vctp8q((uint32_t)count));
  vst1q_s8(maxima->s8, vmaxq_s8(vld1q_s8(maxima->s8), values));
}

static void clamp_s8(block* maxima, const arenafit_range* to, int32_t count) {
  (void)count;
  const int8x16_t min = vdupq_n_s8((int8_t)to->s32.min), max = vdupq_n_s8((int8_t)to->s32.max);
  vst1q_s8(maxima->s8, vminq_s8(vmaxq_s8(vld1q_s8(maxima->s8), min), max));
}

static void fold_s16(block* maxima, const void* pixel, int32_t count) {
  const int16_t* values = pixel;
  for (int32_t i = 0; i < count; i += 8) {
    const int16x8_t more = vldrhq_z_s16(values + i, vctp16q((uint32_t)(count - i)));
    vst1q_s16(maxima->s16 + i, vmaxq_s16(vld1q_s16(maxima->s16 + i), more));
  }
}

static void clamp_s16(block* maxima, const arenafit_range* to, int32_t count) {
  const int16x8_t min = vdupq_n_s16((int16_t)to->s32.min), max = vdupq_n_s16((int16_t)to->s32.max);
  for (int32_t i = 0; i < count; i += 8) {
    const int16x8_t values = vld1q_s16(maxima->s16 + i);
    vst1q_s16(maxima->s16 + i, vminq_s16(vmaxq_s16(values, min), max));
  }
}

#elif defined(__ARM_FEATURE_SIMD32)

/* Four bytes or two halfwords at a time: the subtraction leaves in the GE flags which lanes of
 * `a` are no less than those of `b`, and __sel picks by them. */
typedef uint32_t (*choice)(uint32_t a, uint32_t b);

static inline uint32_t max_s8x4(uint32_t a, uint32_t b) {
  (void)__ssub8((int8x4_t)a, (int8x4_t)b);
  return (uint32_t)__sel((uint8x4_t)a, (uint8x4_t)b);
}

static inline uint32_t min_s8x4(uint32_t a, uint32_t b) {
  (void)__ssub8((int8x4_t)a, (int8x4_t)b);
  return (uint32_t)__sel((uint8x4_t)b, (uint8x4_t)a);
}

static inline uint32_t max_s16x2(uint32_t a, uint32_t b) {
  (void)__ssub16((int16x2_t)a, (int16x2_t)b);
  return (uint32_t)__sel((uint8x4_t)a, (uint8x4_t)b);
}

static inline uint32_t min_s16x2(uint32_t a, uint32_t b) {
  (void)__ssub16((int16x2_t)a, (int16x2_t)b);
  return (uint32_t)__sel((uint8x4_t)b, (uint8x4_t)a);
}

static inline void fold_words(block* maxima, const void* pixel, size_t bytes, choice max) {
  const unsigned char* source = pixel;
  size_t word = 0;
  for (; 4 * word + 4 <= bytes; ++word) {
    uint32_t values;
    memcpy(&values, source + 4 * word, sizeof values);
    maxima->words[word] = max(maxima->words[word], values);
  }
  if (4 * word < bytes) {
    uint32_t values = 0;
    memcpy(&values, source + 4 * word, bytes - 4 * word);
    maxima->words[word] = max(maxima->words[word], values);
  }
}

static inline void clamp_words(block* maxima, size_t bytes, uint32_t low, uint32_t high, choice max,
                               choice min) {
  for (size_t word = 0; 4 * word < bytes; ++word) {
    maxima->words[word] = min(max(maxima->words[word], low), high);
  }
}

static void fold_s8(block* maxima, const void* pixel, int32_t count) {
  fold_words(maxima, pixel, (size_t)count, max_s8x4);
}

static void clamp_s8(block* maxima, const arenafit_range* to, int32_t count) {
  const uint32_t low = (uint8_t)to->s32.min * 0x01010101u;
  const uint32_t high = (uint8_t)to->s32.max * 0x01010101u;
  clamp_words(maxima, (size_t)count, low, high, max_s8x4, min_s8x4);
}

static void fold_s16(block* maxima, const void* pixel, int32_t count) {
  fold_words(maxima, pixel, 2 * (size_t)count, max_s16x2);
}

static void clamp_s16(block* maxima, const arenafit_range* to, int32_t count) {
  const uint32_t low = (uint16_t)to->s32.min * 0x00010001u;
  const uint32_t high = (uint16_t)to->s32.max * 0x00010001u;
  clamp_words(maxima, 2 * (size_t)count, low, high, max_s16x2, min_s16x2);
}

#else

static void fold_s8(block* maxima, const void* pixel, int32_t count) {
  const int8_t* values = pixel;
  for (int32_t i = 0; i < count; ++i) {
    maxima->s8[i] = maxima->s8[i] < values[i] ? values[i] : maxima->s8[i];
  }
}

static void clamp_s8(block* maxima, const arenafit_range* to, int32_t count) {
  const int8_t min = (int8_t)to->s32.min, max = (int8_t)to->s32.max;
  for (int32_t i = 0; i < count; ++i) {
    const int8_t value = maxima->s8[i] < min ? min : maxima->s8[i];
    maxima->s8[i] = max < value ? max : value;
  }
}

static void fold_s16(block* maxima, const void* pixel, int32_t count) {
  const int16_t* values = pixel;
  for (int32_t i = 0; i < count; ++i) {
    maxima->s16[i] = maxima->s16[i] < values[i] ? values[i] : maxima->s16[i];
  }
}

static void clamp_s16(block* maxima, const arenafit_range* to, int32_t count) {
  const int16_t min = (int16_t)to->s32.min, max = (int16_t)to->s32.max;
  for (int32_t i = 0; i < count; ++i) {
    const int16_t value = maxima->s16[i] < min ? min : maxima->s16[i];
    maxima->s16[i] = max < value ? max : value;
  }
}

#endif

static void fold_f32(block* maxima, const void* pixel, int32_t count) {
  const float* values = pixel;
  for (int32_t i = 0; i < count; ++i) {
    maxima->f32[i] = maxima->f32[i] < values[i] ? values[i] : maxima->f32[i];
  }
}

static void clamp_f32(block* maxima, const arenafit_range* to, int32_t count) {
  const float min = to->f32.min, max = to->f32.max;
  for (int32_t i = 0; i < count; ++i) {
    const float value = maxima->f32[i] < min ? min : maxima->f32[i];
    maxima->f32[i] = max < value ? max : value;
  }
}

static const element kS8 = {sizeof(int8_t), start_s8, fold_s8, clamp_s8};
static const element kS16 = {sizeof(int16_t), start_s16, fold_s16, clamp_s16};
static const element kF32 = {sizeof(float), start_f32, fold_f32, clamp_f32};

/* Pixels [first, end) along one axis: a window without its padding. */
typedef struct {
  int32_t first, end;
} span;

static span window(int32_t position, int32_t filter, int32_t stride, int32_t pad, int32_t extent) {
  const int32_t end = position * stride - pad + filter;
  return (span){first_pixel(position, stride, pad), end < extent ? end : extent};
}

/* The loop nest, for all types. `arenafit_max_pool_2d_overlap` follows from its order, as does
 * plugin/arenafit/memory/access/arenafit.py: they change together. */
static void pool(const arenafit_max_pool_2d_params* params, const element* type,
                 const arenafit_dims* input_dims, const void* input,
                 const arenafit_dims* output_dims, void* output) {
  const int32_t channels = input_dims->c;
  const size_t pixel = (size_t)channels * type->size;
  const size_t row = (size_t)input_dims->w * pixel;
  const unsigned char* image = input;
  unsigned char* target = output;
  block maxima;
  for (int32_t n = 0; n < output_dims->n; ++n) {
    for (int32_t h = 0; h < output_dims->h; ++h) {
      const span rows = window(h, params->filter.h, params->stride.h, params->pad.h, input_dims->h);
      for (int32_t w = 0; w < output_dims->w; ++w) {
        const span columns =
            window(w, params->filter.w, params->stride.w, params->pad.w, input_dims->w);
        for (int32_t channel = 0; channel < channels; channel += ARENAFIT_MAX_POOL_BLOCK) {
          const int32_t left = channels - channel;
          const int32_t count = left < ARENAFIT_MAX_POOL_BLOCK ? left : ARENAFIT_MAX_POOL_BLOCK;
          const unsigned char* line = image + (size_t)rows.first * row +
                                      (size_t)columns.first * pixel + (size_t)channel * type->size;
          type->start(&maxima);
          for (int32_t y = rows.first; y < rows.end; ++y, line += row) {
            const unsigned char* source = line;
            for (int32_t x = columns.first; x < columns.end; ++x, source += pixel) {
              type->fold(&maxima, source, count);
            }
          }
          type->clamp(&maxima, &params->clamp, count);
          memcpy(target, &maxima, (size_t)count * type->size);
          target += (size_t)count * type->size;
        }
      }
    }
    image += (size_t)input_dims->h * row;
  }
}

void arenafit_max_pool_2d_s8(const arenafit_max_pool_2d_params* params,
                             const arenafit_dims* input_dims, const int8_t* input,
                             const arenafit_dims* output_dims, int8_t* output) {
  pool(params, &kS8, input_dims, input, output_dims, output);
}

void arenafit_max_pool_2d_s16(const arenafit_max_pool_2d_params* params,
                              const arenafit_dims* input_dims, const int16_t* input,
                              const arenafit_dims* output_dims, int16_t* output) {
  pool(params, &kS16, input_dims, input, output_dims, output);
}

void arenafit_max_pool_2d_f32(const arenafit_max_pool_2d_params* params,
                              const arenafit_dims* input_dims, const float* input,
                              const arenafit_dims* output_dims, float* output) {
  pool(params, &kF32, input_dims, input, output_dims, output);
}
