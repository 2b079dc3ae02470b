/* What ADD, SUB and MUL have in common, whatever the type. */
#ifndef ARENAFIT_ROW_ARITHMETIC_H_
#define ARENAFIT_ROW_ARITHMETIC_H_

#include <stdint.h>

#include "arenafit/program.h"

/* How far to go in an operand for a channel and, besides, for a pixel: 0 where it is repeated. */
typedef struct {
  int32_t channel, pixel;
} strides;

static inline strides strides_of(const arenafit_tensor* input) {
  const int32_t channel = input->channels != 1, pixel = input->width != 1;
  return (strides){channel, pixel * input->channels - channel * input->channels};
}

/* What is done with two numbers. */
typedef enum { kAdd, kSub, kMul } operation;

#endif /* ARENAFIT_ROW_ARITHMETIC_H_ */
