#include "arenafit/quant.h"
#include "arenafit/rows.h"

/* Numbers of 32 bits with a fixed point; "Qi" has i bits before it and 31 - i behind. TFLM's
 * softmax is made of these operations, in this order, which is what makes results the same. */

/* The product of Qi and Qj is Q(i + j). */
static int32_t multiply(int32_t a, int32_t b) {
  return (int32_t)(((int64_t)a * b + (INT64_C(1) << 30)) >> 31);
}

static int32_t add(int32_t a, int32_t b) { return arenafit_wrapping_add(a, b); }

/* Divided by 2^bits, to the nearest, halves away from 0. */
static int32_t divide(int32_t x, int32_t bits) {
  const int64_t half = bits == 0 ? 0 : (int64_t)((INT64_C(1) << bits) >> 1) - (x < 0);
  return (int32_t)((x + half) >> bits);
}

/* Times 2^bits, at most the largest and at least the smallest number. */
static int32_t saturate(int32_t x, int32_t bits) {
  const int64_t wide = (int64_t)x * (INT64_C(1) << bits);
  return wide > INT32_MAX ? INT32_MAX : wide < INT32_MIN ? INT32_MIN : (int32_t)wide;
}

/* exp(a) as Q0, for a as Q0 in [-1/4, 0): a polynomial around -1/8. */
static int32_t exp_of_fraction(int32_t a) {
  const int32_t kExpOfEighth = 1895147668, kThird = 715827883;
  const int32_t x = add(a, 1 << 28), x2 = multiply(x, x);
  const int32_t x3 = multiply(x2, x), x4 = multiply(x2, x2);
  const int32_t rest = divide(add(multiply(add(divide(x4, 2), x3), kThird), x2), 1);
  return add(kExpOfEighth, multiply(kExpOfEighth, add(x, rest)));
}

/* exp(a) as Q0, for a <= 0 as Q5. */
static int32_t exp_of(int32_t a) {
  /* exp(-2^i) as Q0, for i from -2 on. */
  static const int32_t kPowers[] = {1672461947, 1302514674, 790015084, 290630308,
                                    39332535,   720401,     242};
  const int32_t kQuarter = 1 << 24;
  if (a == 0) {
    return INT32_MAX;
  }
  const int32_t fraction = (a & (kQuarter - 1)) - kQuarter;
  const uint32_t quarters = ((uint32_t)fraction - (uint32_t)a) >> 24;
  int32_t result = exp_of_fraction(saturate(fraction, 5));
  for (uint32_t i = 0; i < 7; ++i) {
    if ((quarters >> i & 1) != 0) {
      result = multiply(result, kPowers[i]);
    }
  }
  return result;
}

/* 1 / (1 + a) as Q0, for a in [0, 1) as Q0: three steps of Newton's. */
static int32_t reciprocal(int32_t a) {
  const int32_t half = (int32_t)(((int64_t)a + INT32_MAX + 1) / 2); /* of 1 + a */
  int32_t x = add(1515870810, multiply(half, -1010580540));         /* Q2: 48/17 - 32/17 * half */
  for (int i = 0; i < 3; ++i) {
    const int32_t error = add(1 << 29, -multiply(half, x));
    x = add(x, saturate(multiply(x, error), 2));
  }
  return saturate(x, 1);
}

static int32_t leading_zeros(uint32_t x) {
  int32_t count = 0;
  for (; x != 0 && (x & 0x80000000u) == 0; x <<= 1) {
    ++count;
  }
  return count;
}

static int32_t exp_of_difference(const arenafit_softmax* params, int32_t difference) {
  return exp_of(arenafit_requantize(difference, params->multiplier, params->left_shift));
}

static void softmax(const arenafit_softmax* params, const int8_t* x, int32_t count, int8_t* out) {
  int32_t largest = INT8_MIN;
  for (int32_t k = 0; k < count; ++k) {
    largest = x[k] > largest ? x[k] : largest;
  }
  int32_t sum = 0; /* Q12 */
  for (int32_t k = 0; k < count; ++k) {
    if (x[k] - largest >= params->diff_min) {
      sum = add(sum, divide(exp_of_difference(params, x[k] - largest), 12));
    }
  }
  const int32_t zeros = leading_zeros((uint32_t)sum);
  const int32_t scale = reciprocal((int32_t)(((uint32_t)sum << zeros) & INT32_MAX));
  /* Beyond 31 TFLM stops the program: of so many outputs none is above 0. */
  const int32_t bits = arenafit_clamp(12 - zeros + 23, 0, 31);
  for (int32_t k = 0; k < count; ++k) {
    int32_t value = INT8_MIN;
    if (x[k] - largest >= params->diff_min) {
      const int32_t power = exp_of_difference(params, x[k] - largest);
      value = arenafit_clamp(divide(multiply(scale, power), bits) + INT8_MIN, INT8_MIN, INT8_MAX);
    }
    out[k] = (int8_t)value;
  }
}

void arenafit_softmax_row_s8(const arenafit_softmax* params, const arenafit_tensor* tensor,
                             const int8_t* row, int8_t* out) {
  for (int32_t pixel = 0; pixel < tensor->width; ++pixel) {
    softmax(params, row, tensor->channels, out);
    row += tensor->channels;
    out += tensor->channels;
  }
}
