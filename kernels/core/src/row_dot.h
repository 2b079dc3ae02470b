/* Products of inputs and weights: what CONV_2D and FULLY_CONNECTED spend their time in.
 *
 * Portable code, that for CPUs with DSP instructions and that for those with MVE stand side by
 * side, and compute the same; which a build has, the compiler's macros say. All of it is inline,
 * since sums are to stay in registers.
 *
 * Sums are uint32_t: what a damaged program makes overflow, wraps. `offset` is added to each input,
 * and is from -127 to 128.
 */
#ifndef ARENAFIT_ROW_DOT_H_
#define ARENAFIT_ROW_DOT_H_

#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "row_simd.h"

/* Output channels that are computed at once, so that an input is read once for all of them. */
enum { kBlock = 4 };

typedef struct {
  uint32_t of[kBlock];
} arenafit_block_sums;

static inline arenafit_block_sums arenafit_sums_from(const int32_t* biases) {
  return (arenafit_block_sums){
      {(uint32_t)biases[0], (uint32_t)biases[1], (uint32_t)biases[2], (uint32_t)biases[3]}};
}

/* ---- one output channel ---------------------------------------------------------------------- */

static inline uint32_t arenafit_dot(const int8_t* x, const int8_t* weights, int32_t count,
                                    int32_t offset, uint32_t sum) {
#if defined ARENAFIT_MVE
  for (; count > 0; count -= 8, x += 8, weights += 8) {
    const mve_pred16_t lanes = vctp16q((uint32_t)count);
    const int16x8_t value = vaddq_x_n_s16(vldrbq_z_s16(x, lanes), (int16_t)offset, lanes);
    sum = (uint32_t)vmladavaq_p_s16((int32_t)sum, value, vldrbq_z_s16(weights, lanes), lanes);
  }
#elif defined ARENAFIT_DSP
  const int16x2_t offsets = arenafit_pair(offset);
  for (; count >= 4; count -= 4, x += 4, weights += 4) {
    const int8x4_t value = arenafit_load(x), factor = arenafit_load(weights);
    sum = arenafit_smlad(__sxtab16(offsets, value), __sxtb16(factor), sum);
    sum = arenafit_smlad(arenafit_sxtab16_odd(offsets, value), arenafit_sxtb16_odd(factor), sum);
  }
#endif
  for (int32_t i = 0; i < count; ++i) {
    sum += (uint32_t)((x[i] + offset) * weights[i]);
  }
  return sum;
}

/* ---- kBlock output channels, ARENAFIT_LAYOUT_BLOCKS -------------------------------------------
 *
 * The two filters of a pair are one 16-bit number, 256 * b + a. Where the sums of x * a and of
 * x * (256 * b + a) are known, so is that of x * b, and for one SMLAD more bytes b need not be
 * taken out of their words. That is exact while |sum of x * b| < 2^23: for so many inputs. */
enum { kExact = 256 };

/* An offset as inputs need it. */
#ifdef ARENAFIT_DSP
typedef int16x2_t arenafit_offsets;
static inline arenafit_offsets arenafit_offsets_of(int32_t offset) { return arenafit_pair(offset); }
#else
typedef int32_t arenafit_offsets;
static inline arenafit_offsets arenafit_offsets_of(int32_t offset) { return offset; }
#endif

/* A pair of weights, times an input. */
static inline void arenafit_multiply_pair(int32_t value, const int8_t* pair, uint32_t* sums) {
  int16_t both;
  memcpy(&both, pair, sizeof both);
  const int32_t a = (int8_t)both, b = (both - a) >> 8;
  sums[0] += (uint32_t)(value * a);
  sums[1] += (uint32_t)(value * b);
}

/* Where the weights of input `k` of a run of `length` are, of channels a and b; those of c and d
 * are 8 bytes further in a group of four inputs, else 2. */
static inline const int8_t* arenafit_pair_at(const int8_t* run, int32_t length, int32_t k) {
  return run + 4 * k - (k < (length & ~3) ? 3 * (k & 2) : 0);
}

/* Inputs [first, end) of a run of `length`, whose weights are at `run`. */
static inline void arenafit_dot_block_part(const int8_t* x, const int8_t* run, int32_t length,
                                           int32_t first, int32_t end, int32_t offset,
                                           arenafit_block_sums* sums) {
  arenafit_block_sums total = *sums;
  for (int32_t k = first; k < end; ++k) {
    const int8_t* weights = arenafit_pair_at(run, length, k);
    const int32_t value = *x++ + offset;
    arenafit_multiply_pair(value, weights, total.of);
    arenafit_multiply_pair(value, weights + (k < (length & ~3) ? 8 : 2), total.of + 2);
  }
  *sums = total;
}

#ifdef ARENAFIT_DSP
/* Sums of the pairs (a, b) and (c, d), and of their lower halves. */
typedef struct {
  uint32_t ab, a, cd, c;
} arenafit_pair_sums;

static inline arenafit_pair_sums arenafit_begin_pairs(const arenafit_block_sums* sums) {
  return (arenafit_pair_sums){sums->of[0], sums->of[0], sums->of[2], sums->of[2]};
}

static inline void arenafit_end_pairs(arenafit_pair_sums pairs, arenafit_block_sums* sums) {
  sums->of[0] = pairs.a;
  sums->of[1] += (uint32_t)((int32_t)(pairs.ab - pairs.a) >> 8);
  sums->of[2] = pairs.c;
  sums->of[3] += (uint32_t)((int32_t)(pairs.cd - pairs.c) >> 8);
}

/* Four inputs. */
static inline void arenafit_multiply_quad(const int8_t* x, const int8_t** weights,
                                          arenafit_offsets offsets, arenafit_pair_sums* sums) {
  const int8x4_t word = arenafit_load(x);
  const int16x2_t even = __sxtab16(offsets, word), odd = arenafit_sxtab16_odd(offsets, word);
  const arenafit_words ab = arenafit_next_two(weights);
  sums->ab = arenafit_smlad(even, ab.first, sums->ab);
  sums->a = arenafit_smlad(even, __sxtb16(ab.first), sums->a);
  sums->ab = arenafit_smlad(odd, ab.second, sums->ab);
  sums->a = arenafit_smlad(odd, __sxtb16(ab.second), sums->a);
  const arenafit_words cd = arenafit_next_two(weights);
  sums->cd = arenafit_smlad(even, cd.first, sums->cd);
  sums->c = arenafit_smlad(even, __sxtb16(cd.first), sums->c);
  sums->cd = arenafit_smlad(odd, cd.second, sums->cd);
  sums->c = arenafit_smlad(odd, __sxtb16(cd.second), sums->c);
}

/* At most kExact inputs; returns where their weights end. */
static inline const int8_t* arenafit_dot_exact(const int8_t* x, const int8_t* weights,
                                               int32_t count, arenafit_offsets offsets,
                                               arenafit_block_sums* sums) {
  arenafit_pair_sums pairs = arenafit_begin_pairs(sums);
  const int8_t* end = x + (count & ~7);
  for (; x != end; x += 8) {
    arenafit_multiply_quad(x, &weights, offsets, &pairs);
    arenafit_multiply_quad(x + 4, &weights, offsets, &pairs);
  }
  if ((count & 4) != 0) {
    arenafit_multiply_quad(x, &weights, offsets, &pairs);
    x += 4;
  }
  for (end = x + (count & 3); x != end; ++x, weights += 4) {
    const int16x2_t value = (int16_t)(*x + offsets);
    const int8x4_t both = arenafit_load_aligned(weights), low = __sxtb16(both);
    pairs.ab = (uint32_t)__smlabb(value, both, (int32_t)pairs.ab);
    pairs.a = (uint32_t)__smlabb(value, low, (int32_t)pairs.a);
    pairs.cd = (uint32_t)__smlabt(value, both, (int32_t)pairs.cd);
    pairs.c = (uint32_t)__smlabt(value, low, (int32_t)pairs.c);
  }
  arenafit_end_pairs(pairs, sums);
  return weights;
}

#else
static inline const int8_t* arenafit_dot_exact(const int8_t* x, const int8_t* weights,
                                               int32_t count, arenafit_offsets offset,
                                               arenafit_block_sums* sums) {
  for (; count >= 4; count -= 4, x += 4, weights += 16) {
    for (int i = 0; i < 4; ++i) {
      const int8_t* pair = weights + 4 * (i & 1) + (i & 2);
      arenafit_multiply_pair(x[i] + offset, pair, sums->of);
      arenafit_multiply_pair(x[i] + offset, pair + 8, sums->of + 2);
    }
  }
  for (; count > 0; --count, ++x, weights += 4) {
    arenafit_multiply_pair(*x + offset, weights, sums->of);
    arenafit_multiply_pair(*x + offset, weights + 2, sums->of + 2);
  }
  return weights;
}
#endif

/* A run of any length. */
static inline void arenafit_dot_block(const int8_t* x, const int8_t* weights, int32_t length,
                                      int32_t offset, arenafit_block_sums* sums) {
  for (int32_t count; length > 0; length -= count, x += count) {
    count = length < kExact ? length : kExact;
    weights = arenafit_dot_exact(x, weights, count, arenafit_offsets_of(offset), sums);
  }
}

/* ---- kBlock output channels, plain layout ---------------------------------------------------- */

/* Filters are `stride` bytes apart. */
static inline void arenafit_dot_vectors(const int8_t* x, const int8_t* weights, ptrdiff_t stride,
                                        int32_t count, arenafit_block_sums* sums) {
#ifdef ARENAFIT_MVE
  uint32_t s0 = sums->of[0], s1 = sums->of[1], s2 = sums->of[2], s3 = sums->of[3];
  const int8_t *w0 = weights, *w1 = w0 + stride, *w2 = w1 + stride, *w3 = w2 + stride;
  /* A loop of the hardware's, whose last round has just the lanes that are left. Compilers make
   * three times as many instructions of its intrinsics. */
  __asm__(
      "  wlstp.8 lr, %[count], 2f\n"
      "1:\n"
      "  vldrb.8 q0, [%[x]], #16\n"
      "  vldrb.8 q1, [%[w0]], #16\n"
      "  vmladava.s8 %[s0], q0, q1\n"
      "  vldrb.8 q2, [%[w1]], #16\n"
      "  vmladava.s8 %[s1], q0, q2\n"
      "  vldrb.8 q1, [%[w2]], #16\n"
      "  vmladava.s8 %[s2], q0, q1\n"
      "  vldrb.8 q2, [%[w3]], #16\n"
      "  vmladava.s8 %[s3], q0, q2\n"
      "  letp lr, 1b\n"
      "2:\n"
      : [s0] "+Te"(s0), [s1] "+Te"(s1), [s2] "+Te"(s2), [s3] "+Te"(s3), [x] "+r"(x), [w0] "+r"(w0),
        [w1] "+r"(w1), [w2] "+r"(w2), [w3] "+r"(w3)
      : [count] "r"(count)
      : "q0", "q1", "q2", "lr", "memory");
  *sums = (arenafit_block_sums){{s0, s1, s2, s3}};
#else
  for (int i = 0; i < kBlock; ++i) {
    sums->of[i] = arenafit_dot(x, weights + i * stride, count, 0, sums->of[i]);
  }
#endif
}

/* What adding `offset` to all of these inputs adds to the sums. */
static inline void arenafit_add_offset(const int8_t* weights, ptrdiff_t stride, int32_t count,
                                       int32_t offset, arenafit_block_sums* sums) {
  for (int i = 0; i < kBlock; ++i, weights += stride) {
    int32_t sum = 0;
#ifdef ARENAFIT_MVE
    for (int32_t k = 0; k < count; k += 16) {
      const mve_pred16_t lanes = vctp8q((uint32_t)(count - k));
      sum = vaddvaq_p_s8(sum, vldrbq_z_s8(weights + k, lanes), lanes);
    }
#else
    for (int32_t k = 0; k < count; ++k) {
      sum += weights[k];
    }
#endif
    sums->of[i] += (uint32_t)sum * (uint32_t)offset;
  }
}

#endif /* ARENAFIT_ROW_DOT_H_ */
