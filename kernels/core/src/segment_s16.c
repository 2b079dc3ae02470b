#include <stddef.h>

#include "arenafit/rows.h"

#include "segment_step.h"

#ifndef ARENAFIT_NO_S16

static const void* row_of(const arenafit_step* step, uint32_t index) { return step->rows[index]; }

static void requantize(const arenafit_step* step) {
  const int32_t count = step->output->width * step->output->channels;
  if (step->inputs[0]->type == ARENAFIT_TENSOR_S8) {
    arenafit_requantize_row_s8_s16(step->params, row_of(step, 0), count, step->out);
  } else if (step->output->type == ARENAFIT_TENSOR_S8) {
    arenafit_requantize_row_s16_s8(step->params, row_of(step, 0), count, step->out);
  } else {
    arenafit_requantize_row_s16(step->params, row_of(step, 0), count, step->out);
  }
}

void arenafit_step_s16(const arenafit_step* step) { requantize(step); }

#endif /* ARENAFIT_NO_S16 */
