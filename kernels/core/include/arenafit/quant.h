/* TFLM's fixed-point arithmetic, bit for bit, for values that may come from anywhere: what
 * overflows, wraps. */
#ifndef ARENAFIT_QUANT_H_
#define ARENAFIT_QUANT_H_

#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

static inline int32_t arenafit_wrapping_add(int32_t a, int32_t b) {
  return (int32_t)((uint32_t)a + (uint32_t)b);
}

/* x * multiplier * 2^(shift - 31): TFLM's MultiplyByQuantizedMultiplier in builds that round twice,
 * which is how all of its own are made. First to the nearest with halves upwards, then, where shift
 * < 0, to the nearest with halves away from 0.
 *
 * multiplier >= 0, -31 <= shift <= 30. Where the result is no int32_t, it is any.
 */
static inline int32_t arenafit_requantize(int32_t x, int32_t multiplier, int32_t shift) {
  if (shift > 0) {
    x = (int32_t)((uint32_t)x << shift);
  }
  const int64_t product = (int64_t)x * multiplier;
  const int32_t high = (int32_t)((product + (INT64_C(1) << 30)) >> 31);
  if (shift >= 0) {
    return high;
  }
  /* With halves away from 0: of negative numbers a little less is halved. As |high| < INT32_MAX,
   * nothing overflows. */
  return (((high + (high >> 31)) >> (-shift - 1)) + 1) >> 1;
}

static inline int32_t arenafit_clamp(int32_t x, int32_t min, int32_t max) {
  return x < min ? min : x > max ? max : x;
}

#ifdef __cplusplus
}
#endif

#endif /* ARENAFIT_QUANT_H_ */
