/* What CPUs have beyond C: ARENAFIT_MVE is defined where there are vectors of integers (Helium),
 * ARENAFIT_DSP where there are pairs of 16-bit numbers in a register. None with
 * ARENAFIT_PORTABLE. Besides, the instructions of the latter that compilers' arm_acle.h lacks. */
#ifndef ARENAFIT_ROW_SIMD_H_
#define ARENAFIT_ROW_SIMD_H_

#include <stdint.h>
#include <string.h>

#if !defined ARENAFIT_PORTABLE && defined __ARM_FEATURE_MVE && __ARM_FEATURE_MVE & 1
#define ARENAFIT_MVE
#include <arm_mve.h>
enum { kHasVectors = 1 };

/* arenafit_requantize of four numbers. */
static inline int32x4_t arenafit_requantize_four(int32x4_t x, int32x4_t multipliers,
                                                 int32x4_t shifts) {
  const int32x4_t zero = vdupq_n_s32(0), right = vminq_s32(shifts, zero);
  const int32x4_t high = vqrdmulhq_s32(vshlq_s32(x, vmaxq_s32(shifts, zero)), multipliers);
  /* The sign where something is shifted out: halves go away from 0. */
  const int32x4_t sign = vshrq_n_s32(vandq_s32(high, right), 31);
  return vrshlq_s32(vaddq_s32(high, sign), right);
}
#else
enum { kHasVectors = 0 };
#endif

#if !defined ARENAFIT_PORTABLE && defined __ARM_FEATURE_SIMD32 && defined __ARM_FEATURE_DSP && \
    defined __thumb2__
#define ARENAFIT_DSP
#include <arm_acle.h>

/* Four bytes; little-endian. */
static inline int8x4_t arenafit_load(const int8_t* bytes) {
  int8x4_t word;
  memcpy(&word, bytes, sizeof word);
  return word;
}

/* The same from a multiple of 4. */
static inline int8x4_t arenafit_load_aligned(const int8_t* bytes) {
  int8x4_t word;
  memcpy(&word, __builtin_assume_aligned(bytes, 4), sizeof word);
  return word;
}

/* Eight bytes from a multiple of 4, with one instruction, which moves on to the next. */
typedef struct {
  int8x4_t first, second;
} arenafit_words;

static inline arenafit_words arenafit_next_two(const int8_t** bytes) {
  arenafit_words words;
  __asm__("ldrd %0, %1, [%2], #8"
          : "=&r"(words.first), "=&r"(words.second), "+r"(*bytes)
          : "m"(*(const int8_t(*)[8]) * bytes));
  return words;
}

/* Two pointers, likewise. */
typedef struct {
  const int8_t *first, *second;
} arenafit_pointers;

static inline arenafit_pointers arenafit_next_pointers(const int8_t* const** list) {
  arenafit_pointers two;
  __asm__("ldrd %0, %1, [%2], #8"
          : "=&r"(two.first), "=&r"(two.second), "+r"(*list)
          : "m"(*(const int8_t* const(*)[2]) * list));
  return two;
}

static inline int16x2_t arenafit_pair(int32_t value) {
  return (int16x2_t)(((uint32_t)value & 0xFFFF) | (uint32_t)value << 16);
}

/* Bytes 1 and 3 as 16-bit numbers; __sxtb16 has 0 and 2. */
static inline int16x2_t arenafit_sxtb16_odd(int8x4_t word) {
  int16x2_t pair;
  __asm__("sxtb16 %0, %1, ror #8" : "=r"(pair) : "r"(word));
  return pair;
}

static inline int16x2_t arenafit_sxtab16_odd(int16x2_t offsets, int8x4_t word) {
  int16x2_t pair;
  __asm__("sxtab16 %0, %1, %2, ror #8" : "=r"(pair) : "r"(offsets), "r"(word));
  return pair;
}

static inline uint32_t arenafit_smlad(int16x2_t a, int16x2_t b, uint32_t sum) {
  return (uint32_t)__smlad(a, b, (int32_t)sum);
}

/* Bytes 0 and 1 of both words, and bytes 2 and 3. */
static inline int8x4_t arenafit_low_halves(int8x4_t a, int8x4_t b) {
  int8x4_t halves;
  __asm__("pkhbt %0, %1, %2, lsl #16" : "=r"(halves) : "r"(a), "r"(b));
  return halves;
}

static inline int8x4_t arenafit_high_halves(int8x4_t a, int8x4_t b) {
  int8x4_t halves;
  __asm__("pkhtb %0, %1, %2, asr #16" : "=r"(halves) : "r"(b), "r"(a));
  return halves;
}

/* Clamped to int8_t. */
static inline int32_t arenafit_saturate(int32_t value) {
  int32_t byte;
  __asm__("ssat %0, #8, %1" : "=r"(byte) : "r"(value));
  return byte;
}

/* (a * b + 2^31) >> 32 */
static inline int32_t arenafit_smmulr(int32_t a, int32_t b) {
  int32_t high;
  __asm__("smmulr %0, %1, %2" : "=r"(high) : "r"(a), "r"(b));
  return high;
}

/* sum + ((-a * b + 2^31) >> 32) */
static inline int32_t arenafit_smmlsr(int32_t a, int32_t b, int32_t sum) {
  int32_t high;
  __asm__("smmlsr %0, %1, %2, %3" : "=r"(high) : "r"(a), "r"(b), "r"(sum));
  return high;
}

/* ---- requantising ----------------------------------------------------------------------------
 *
 * The first of the two roundings of arenafit_requantize is SMMULR's, of the doubled number. The
 * second is SMMLSR's, with -2^(32 + shift), where a negative number is made a little smaller
 * before, as its halves go away from 0. That is exact where |x| < 2^30. Doubling saturates beyond;
 * with a multiplier >= 2^30 and a shift >= -20 the result is more than 2^9 then in any case, and so
 * exact all the same where something from -128 to 127 is added and the sum is clamped to a byte. */

/* is_small: whether |x| < 2^30 for sure. */
static inline int arenafit_has_factor(int32_t multiplier, int32_t shift, int is_small) {
  return (multiplier >= 1 << 30 && shift >= (is_small ? -31 : -20) && shift <= -1) ||
         multiplier == 0;
}

/* -2^(32 + shift), for shifts from -31 to -1. */
static inline int32_t arenafit_factor(int32_t shift) {
  return (int32_t)(0u - (1u << (shift & 31)));
}

static inline int32_t arenafit_shift_and_add(int32_t high, int32_t factor, int32_t sum) {
  return arenafit_smmlsr(high + (high >> 31), factor, sum);
}

static inline int32_t arenafit_requantize_and_add(int32_t x, int32_t multiplier, int32_t factor,
                                                  int32_t sum) {
  return arenafit_shift_and_add(arenafit_smmulr(__qadd(x, x), multiplier), factor, sum);
}
#endif

#endif /* ARENAFIT_ROW_SIMD_H_ */
