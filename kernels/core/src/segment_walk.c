#include "segment_walk.h"

#include <string.h>

arenafit_parts arenafit_parts_of(const arenafit_program* program) {
  arenafit_parts parts;
  parts.header = program;
  parts.tensors = (const arenafit_tensor*)(const void*)(program + 1);
  parts.operators = (const arenafit_operator*)(const void*)(parts.tensors + program->tensors);
  parts.goals = (const arenafit_goal*)(const void*)(parts.operators + program->operators);
  parts.overlaps = (const int32_t*)(const void*)(parts.goals + program->goals);
  parts.operands =
      (const uint16_t*)(const void*)(parts.overlaps + (uint32_t)program->outputs * program->inputs);
  return parts;
}

static const arenafit_span kNone = {0, -1};

static arenafit_span one_row(int32_t row, int32_t rows) {
  return row >= 0 && row < rows ? (arenafit_span){row, row} : kNone;
}

/* The rows of window number `step` that are inside of an image of `rows` rows. */
static arenafit_span window_rows(const arenafit_window* window, int32_t step, int32_t rows) {
  const int32_t dilation = window->dilation_h;
  int32_t first = step * window->stride_h - window->pad_h;
  int32_t last = first + (window->kernel_h - 1) * dilation;
  if (first < 0) {
    first += (dilation - 1 - first) / dilation * dilation;
  }
  if (last >= rows) {
    last -= (last - rows + dilation) / dilation * dilation;
  }
  return (arenafit_span){first, last};
}

arenafit_span arenafit_rows_read(const arenafit_parts* parts, const arenafit_operator* op,
                                 uint32_t operand, uint32_t step) {
  const arenafit_tensor* tensor = arenafit_operand(parts, op, operand);
  const int32_t rows = tensor->rows, row = (int32_t)step;
  const void* parameters = arenafit_at(parts->header, op->parameters);
  switch (op->kind) {
    case ARENAFIT_CONV_2D:
    case ARENAFIT_DEPTHWISE_CONV_2D:
    case ARENAFIT_MAX_POOL_2D:
    case ARENAFIT_AVERAGE_POOL_2D: /* their parameters all begin with the window */
      return operand == 0 ? window_rows(parameters, row, rows) : one_row(row, rows);
    case ARENAFIT_ADD:
    case ARENAFIT_SUB:
    case ARENAFIT_MUL:
      return one_row(rows == 1 ? 0 : row, rows);
    case ARENAFIT_CONCATENATION: {
      const arenafit_concatenation* concatenation = parameters;
      int32_t before = 0;
      if (concatenation->axis == 0) {
        for (uint32_t i = 0; i < operand; ++i) {
          before += arenafit_operand(parts, op, i)->rows;
        }
      }
      return one_row(row - before, rows);
    }
    case ARENAFIT_PAD:
      return one_row(row - ((const arenafit_pad*)parameters)->rows, rows);
    case ARENAFIT_RESIZE_NEAREST_NEIGHBOR: {
      const arenafit_resize* resize = parameters;
      return one_row(((const uint16_t*)arenafit_at(parts->header, resize->rows))[step], rows);
    }
    default:
      return one_row(row, rows);
  }
}

arenafit_walk arenafit_walk_start(const arenafit_program* program, void* state) {
  arenafit_walk walk;
  walk.parts = arenafit_parts_of(program);
  walk.steps = state;
  walk.stack = walk.steps + program->operators;
  walk.depth = 0;
  walk.goal = 0;
  memset(walk.steps, 0, sizeof *walk.steps * program->operators);
  return walk;
}

uint32_t arenafit_rows_made(const arenafit_walk* walk, const arenafit_tensor* tensor) {
  if (tensor->producer == ARENAFIT_NO_OPERATOR) {
    return tensor->rows;
  }
  const arenafit_operator* op = &walk->parts.operators[tensor->producer];
  const uint32_t steps = walk->steps[tensor->producer];
  if (arenafit_is_reducing(op->kind)) {
    return steps == arenafit_steps_of(&walk->parts, op);
  }
  return steps;
}

/* The first operator that must go before `index` can take a step; `index` where there is none. */
static uint16_t awaited(const arenafit_walk* walk, uint16_t index) {
  const arenafit_operator* op = &walk->parts.operators[index];
  for (uint32_t i = 0; i < op->operands; ++i) {
    const arenafit_tensor* tensor = arenafit_operand(&walk->parts, op, i);
    if (tensor->producer != ARENAFIT_NO_OPERATOR &&
        arenafit_rows_read(&walk->parts, op, i, walk->steps[index]).last >=
            (int32_t)arenafit_rows_made(walk, tensor)) {
      return tensor->producer;
    }
  }
  return index;
}

const arenafit_operator* arenafit_walk_next(arenafit_walk* walk) {
  if (walk->depth == 0) {
    for (;; ++walk->goal) {
      if (walk->goal == walk->parts.header->goals) {
        return NULL;
      }
      const arenafit_goal* goal = &walk->parts.goals[walk->goal];
      if (walk->steps[goal->operator_index] < goal->steps) {
        walk->stack[walk->depth++] = goal->operator_index;
        break;
      }
    }
  }
  for (;;) { /* each operator waits for an earlier one: the stack has room for all */
    const uint16_t top = walk->stack[walk->depth - 1];
    const uint16_t before = awaited(walk, top);
    if (before == top) {
      --walk->depth;
      ++walk->steps[top];
      return &walk->parts.operators[top];
    }
    walk->stack[walk->depth++] = before;
  }
}
