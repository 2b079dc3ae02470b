/* A step of an operator: what the interpreter gives to the kernels, whatever their type.
 *
 * There is a function for each type, in a file of its own. A build for networks that have no
 * floats, or no int16_t, leaves them out with -DARENAFIT_NO_F32 and -DARENAFIT_NO_S16: programs
 * with such tensors are refused then, and none of their kernels is linked.
 */
#ifndef ARENAFIT_SEGMENT_STEP_H_
#define ARENAFIT_SEGMENT_STEP_H_

#include "segment_walk.h"

typedef struct {
  const arenafit_program* program;
  const void* params;
  const arenafit_tensor* inputs[2]; /* the first operands; the second may be missing */
  const arenafit_tensor* output;
  /* Of a window, its rows, NULL for those outside of the image. Of other operators the row of each
   * of the first operands. */
  const int8_t* rows[ARENAFIT_MAX_TAPS];
  const int32_t* sums; /* of a convolution that goes on, or NULL */
  void* accumulator;
  void* out; /* the row that is made; of a reducing operator the only one */
  int32_t y; /* number of the step */
  uint32_t kind;
} arenafit_step;

void arenafit_step_s8(const arenafit_step* step);
void arenafit_step_s16(const arenafit_step* step);
void arenafit_step_f32(const arenafit_step* step);

/* What is at an offset; NULL for 0. */
static inline const void* arenafit_at_or_null(const arenafit_step* step, uint32_t offset) {
  return offset == 0 ? NULL : arenafit_at(step->program, offset);
}

#endif /* ARENAFIT_SEGMENT_STEP_H_ */
