#include <stddef.h>

#include "arenafit/segment.h"
#include "segment_walk.h"

/* The least distances, by rows (program.h, "overlaps"): of the step that `op` takes, for one input
 * that it reads from row `first` on. */
static int is_overlap_safe(const arenafit_walk* walk, const arenafit_tensor* input, int32_t first) {
  const arenafit_parts* parts = &walk->parts;
  for (uint32_t i = 0; i < parts->header->tensors; ++i) {
    const arenafit_tensor* output = &parts->tensors[i];
    if (output->place != ARENAFIT_PLACE_OUTPUT) {
      continue;
    }
    const int64_t made = arenafit_rows_made(walk, output);
    const int64_t least =
        made * arenafit_row_size(output) - (int64_t)first * arenafit_row_size(input);
    const uint32_t pair = output->offset * parts->header->inputs + input->offset;
    if (made > 0 && parts->overlaps[pair] < least) {
      return 0;
    }
  }
  return 1;
}

static arenafit_segment_status check_step(const arenafit_walk* walk, const arenafit_operator* op) {
  const uint32_t step = walk->steps[op - walk->parts.operators] - 1u;
  for (uint32_t i = 0; i < op->operands; ++i) {
    const arenafit_tensor* tensor = arenafit_operand(&walk->parts, op, i);
    const arenafit_span span = arenafit_rows_read(&walk->parts, op, i, step);
    if (span.first > span.last) {
      continue;
    }
    if (span.first < (int32_t)arenafit_rows_made(walk, tensor) - tensor->ring) {
      return ARENAFIT_SEGMENT_RING;
    }
    if (tensor->place == ARENAFIT_PLACE_INPUT && !is_overlap_safe(walk, tensor, span.first)) {
      return ARENAFIT_SEGMENT_OVERLAP;
    }
  }
  return ARENAFIT_SEGMENT_OK;
}

arenafit_segment_status arenafit_segment_rehearse(const arenafit_program* program, void* state) {
  arenafit_walk walk = arenafit_walk_start(program, state);
  const arenafit_operator* op;
  while ((op = arenafit_walk_next(&walk)) != NULL) {
    const arenafit_segment_status found = check_step(&walk, op);
    if (found != ARENAFIT_SEGMENT_OK) {
      return found;
    }
  }
  for (uint32_t i = 0; i < program->tensors; ++i) {
    const arenafit_tensor* tensor = &walk.parts.tensors[i];
    if (tensor->place == ARENAFIT_PLACE_OUTPUT &&
        arenafit_rows_made(&walk, tensor) < tensor->rows) {
      return ARENAFIT_SEGMENT_GOAL;
    }
  }
  return ARENAFIT_SEGMENT_OK;
}
