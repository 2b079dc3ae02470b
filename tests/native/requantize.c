/* The inline functions of quant.h, for ctypes. */
#include "arenafit/quant.h"

int32_t requantize(int32_t x, int32_t multiplier, int32_t shift);

int32_t requantize(int32_t x, int32_t multiplier, int32_t shift) {
  return arenafit_requantize(x, multiplier, shift);
}
