#include "arenafit/segment.h"

#include <stddef.h>
#include "arenafit/rows.h"

#include "segment_step.h"

/* A run: the walk, and where things are. */
typedef struct {
  arenafit_walk walk;
  const void* const* inputs;
  void* const* outputs;
  uint8_t* workspace;
  const arenafit_source* source;
} run;

static const uint8_t* base_of(const run* self, const arenafit_tensor* tensor) {
  switch (tensor->place) {
    case ARENAFIT_PLACE_INPUT:
      return self->inputs[tensor->offset];
    case ARENAFIT_PLACE_OUTPUT:
      return self->outputs[tensor->offset];
    case ARENAFIT_PLACE_CONSTANT:
      return arenafit_at(self->walk.parts.header, tensor->offset);
    default:
      return self->workspace + tensor->offset;
  }
}

static const void* row_of(const run* self, const arenafit_tensor* tensor, int32_t row) {
  return base_of(self, tensor) + (uint32_t)row % tensor->ring * arenafit_row_size(tensor);
}

/* Where a tensor that an operator makes has a row. */
static void* target_of(const run* self, const arenafit_tensor* tensor, uint32_t row) {
  uint8_t* base = tensor->place == ARENAFIT_PLACE_OUTPUT ? self->outputs[tensor->offset]
                                                         : self->workspace + tensor->offset;
  return base + row % tensor->ring * arenafit_row_size(tensor);
}

/* ---- operators that only move bytes, of whatever type --------------------------------------- */

static void concatenate(const run* self, const arenafit_operator* op, uint32_t step) {
  const arenafit_parts* parts = &self->walk.parts;
  const arenafit_concatenation* params = arenafit_at(parts->header, op->parameters);
  const arenafit_tensor* output = &parts->tensors[op->output];
  const int by_channels = params->axis == 2;
  const int32_t count = by_channels ? output->width : 1;
  const int32_t stride = by_channels ? arenafit_pixel_size(output) : 0;
  int8_t* out = target_of(self, output, step);
  for (uint32_t i = 0; i < op->operands; ++i) {
    const arenafit_tensor* input = arenafit_operand(parts, op, i);
    const arenafit_span span = arenafit_rows_read(parts, op, i, step);
    if (span.first > span.last) {
      continue; /* concatenated by rows, and this row is another's */
    }
    const int32_t bytes =
        by_channels ? arenafit_pixel_size(input) : (int32_t)arenafit_row_size(input);
    arenafit_interleave_row(row_of(self, input, span.first), count, bytes, stride, out);
    if (params->axis != 0) {
      out += bytes;
    }
  }
}

static void move(const run* self, const arenafit_operator* op, uint32_t step) {
  const arenafit_parts* parts = &self->walk.parts;
  const void* params = arenafit_at(parts->header, op->parameters);
  const arenafit_tensor* input = arenafit_operand(parts, op, 0);
  const arenafit_tensor* output = &parts->tensors[op->output];
  const arenafit_span span = arenafit_rows_read(parts, op, 0, step);
  const void* row = span.first > span.last ? NULL : row_of(self, input, span.first);
  void* out = target_of(self, output, step);
  if (op->kind == ARENAFIT_PAD) {
    arenafit_pad_row(params, input, row, output, out);
  } else if (op->kind == ARENAFIT_TABLE) {
    arenafit_table_row_s8(params, row, (int32_t)arenafit_row_size(output), out);
  } else {
    const arenafit_resize* resize = params;
    arenafit_resize_row(arenafit_at(parts->header, resize->columns), row, output->width,
                        arenafit_pixel_size(output), out);
  }
}

/* ---- operators that calculate --------------------------------------------------------------- */

/* The rows that a step reads: of a window all of them, else one of each operand. */
static void find_rows(const run* self, const arenafit_operator* op, arenafit_step* step) {
  const arenafit_parts* parts = &self->walk.parts;
  if (arenafit_has_window(op->kind)) {
    const arenafit_window* window = step->params; /* all their parameters begin with it */
    const arenafit_tensor* input = step->inputs[0];
    int32_t y = step->y * window->stride_h - window->pad_h;
    for (int32_t i = 0; i < window->kernel_h; ++i, y += window->dilation_h) {
      step->rows[i] = y < 0 || y >= input->rows ? NULL : row_of(self, input, y);
    }
    if (op->operands == 2) {
      step->sums = row_of(self, step->inputs[1], step->y);
    }
    return;
  }
  for (uint32_t i = 0; i < op->operands; ++i) {
    const int32_t row = arenafit_rows_read(parts, op, i, (uint32_t)step->y).first;
    step->rows[i] = row_of(self, step->inputs[i], row);
  }
}

static void calculate(const run* self, const arenafit_operator* op, uint32_t number) {
  const arenafit_parts* parts = &self->walk.parts;
  arenafit_step step;
  step.program = parts->header;
  step.params = arenafit_at(parts->header, op->parameters);
  step.output = &parts->tensors[op->output];
  step.inputs[0] = arenafit_operand(parts, op, 0);
  step.inputs[1] = op->operands < 2 ? NULL : arenafit_operand(parts, op, 1);
  step.sums = NULL;
  step.accumulator = self->workspace + op->accumulator;
  step.out = target_of(self, step.output, arenafit_is_reducing(op->kind) ? 0 : number);
  step.y = (int32_t)number;
  step.kind = op->kind;
  find_rows(self, op, &step);
  switch (arenafit_type_of_kernel(step.inputs[0]->type, step.output->type)) {
#ifndef ARENAFIT_NO_F32
    case ARENAFIT_TENSOR_F32:
      arenafit_step_f32(&step);
      break;
#endif
#ifndef ARENAFIT_NO_S16
    case ARENAFIT_TENSOR_S16:
      arenafit_step_s16(&step);
      break;
#endif
    default:
      arenafit_step_s8(&step);
      break;
  }
}

/* Whether there was a row. */
static int feed(const run* self, const arenafit_operator* op, uint32_t step) {
  const arenafit_parts* parts = &self->walk.parts;
  const arenafit_feed* params = arenafit_at(parts->header, op->parameters);
  const arenafit_tensor* output = &parts->tensors[op->output];
  return self->source->next_row(self->source->context, params->input, step,
                                target_of(self, output, step), arenafit_row_size(output)) == 0;
}

int arenafit_segment_is_fed(const arenafit_program* program) {
  const arenafit_parts parts = arenafit_parts_of(program);
  for (uint32_t i = 0; i < program->operators; ++i) {
    if (parts.operators[i].kind == ARENAFIT_FEED) {
      return 1;
    }
  }
  return 0;
}

arenafit_segment_status arenafit_segment_run(const arenafit_program* program,
                                             const void* const* inputs, void* const* outputs,
                                             void* workspace, const arenafit_source* source) {
  if ((source == NULL || source->next_row == NULL) && arenafit_segment_is_fed(program)) {
    return ARENAFIT_SEGMENT_SOURCE;
  }
  run self = {arenafit_walk_start(program, workspace), inputs, outputs, workspace, source};
  const arenafit_operator* op;
  while ((op = arenafit_walk_next(&self.walk)) != NULL) {
    const uint32_t step = self.walk.steps[op - self.walk.parts.operators] - 1u;
    switch (op->kind) {
      case ARENAFIT_CONCATENATION:
        concatenate(&self, op, step);
        break;
      case ARENAFIT_FEED:
        if (!feed(&self, op, step)) {
          return ARENAFIT_SEGMENT_ABORTED;
        }
        break;
      case ARENAFIT_PAD:
      case ARENAFIT_TABLE:
      case ARENAFIT_RESIZE_NEAREST_NEIGHBOR:
        move(&self, op, step);
        break;
      default:
        calculate(&self, op, step);
        break;
    }
  }
  return ARENAFIT_SEGMENT_OK;
}
