/* The order in which a segment's operators work, and what they read: what the interpreter and its
 * checks have in common. */
#ifndef ARENAFIT_SEGMENT_WALK_H_
#define ARENAFIT_SEGMENT_WALK_H_

#include "arenafit/program.h"

/* The parts of a program. */
typedef struct {
  const arenafit_program* header;
  const arenafit_tensor* tensors;
  const arenafit_operator* operators;
  const arenafit_goal* goals;
  const int32_t* overlaps;
  const uint16_t* operands;
} arenafit_parts;

arenafit_parts arenafit_parts_of(const arenafit_program* program);

/* What is at an offset. */
static inline const void* arenafit_at(const arenafit_program* program, uint32_t offset) {
  return (const uint8_t*)(const void*)program + offset;
}

/* Bytes of an element of a known type. */
static inline uint32_t arenafit_type_size(uint32_t type) {
  switch (type) {
    case ARENAFIT_TENSOR_S8:
    case ARENAFIT_TENSOR_U8:
      return 1;
    case ARENAFIT_TENSOR_S16:
      return 2;
    default:
      return 4;
  }
}

/* Whether there are kernels for a type in this build. */
static inline int arenafit_has_type(uint32_t type) {
  switch (type) {
    case ARENAFIT_TENSOR_S8:
    case ARENAFIT_TENSOR_U8:
    case ARENAFIT_TENSOR_S32:
      return 1;
#ifndef ARENAFIT_NO_S16
    case ARENAFIT_TENSOR_S16:
      return 1;
#endif
#ifndef ARENAFIT_NO_F32
    case ARENAFIT_TENSOR_F32:
      return 1;
#endif
    default:
      return 0;
  }
}

/* The type whose kernels have what makes `output` of `input`. */
static inline uint32_t arenafit_type_of_kernel(uint32_t input, uint32_t output) {
  if (input == ARENAFIT_TENSOR_F32 || output == ARENAFIT_TENSOR_F32) {
    return ARENAFIT_TENSOR_F32;
  }
  const int wide = input == ARENAFIT_TENSOR_S16 || output == ARENAFIT_TENSOR_S16;
  return wide ? ARENAFIT_TENSOR_S16 : ARENAFIT_TENSOR_S8;
}

/* Bytes of a pixel. */
static inline int32_t arenafit_pixel_size(const arenafit_tensor* tensor) {
  return (int32_t)(tensor->channels * arenafit_type_size(tensor->type));
}

/* Bytes of a row. */
static inline uint32_t arenafit_row_size(const arenafit_tensor* tensor) {
  return (uint32_t)tensor->width * tensor->channels * arenafit_type_size(tensor->type);
}

/* Whether the parameters of a kind begin with a window that slides. */
static inline int arenafit_has_window(uint32_t kind) {
  return kind == ARENAFIT_CONV_2D || kind == ARENAFIT_DEPTHWISE_CONV_2D ||
         kind == ARENAFIT_MAX_POOL_2D || kind == ARENAFIT_AVERAGE_POOL_2D;
}

static inline int arenafit_is_reducing(uint32_t kind) {
  return kind >= ARENAFIT_FULLY_CONNECTED && kind <= ARENAFIT_MEAN &&
         kind != ARENAFIT_MAX_POOL_2D && kind != ARENAFIT_AVERAGE_POOL_2D;
}

static inline const arenafit_tensor* arenafit_operand(const arenafit_parts* parts,
                                                      const arenafit_operator* op, uint32_t index) {
  return &parts->tensors[parts->operands[op->first + index]];
}

/* How many steps an operator takes. */
static inline uint32_t arenafit_steps_of(const arenafit_parts* parts, const arenafit_operator* op) {
  return arenafit_is_reducing(op->kind) ? arenafit_operand(parts, op, 0)->rows
                                        : parts->tensors[op->output].rows;
}

/* Rows from first to last; none where first > last. */
typedef struct {
  int32_t first, last;
} arenafit_span;

/* The rows of an operand that a step of an operator reads, which may be fewer than those between
 * them where a window is dilated. */
arenafit_span arenafit_rows_read(const arenafit_parts* parts, const arenafit_operator* op,
                                 uint32_t operand, uint32_t step);

/* A walk through all steps. */
typedef struct {
  arenafit_parts parts;
  uint16_t* steps; /* that each operator has done */
  uint16_t* stack; /* of operators that wait for rows */
  uint32_t depth;
  uint32_t goal;
} arenafit_walk;

arenafit_walk arenafit_walk_start(const arenafit_program* program, void* state);

/* The operator whose turn it is, with walk->steps counting the step already; NULL at the end.
 *
 * Called between any two steps of a run, and from another source than its own, which is how
 * `arenafit bench` measures them one by one: the linker puts a measurement around this function
 * (--wrap), and the code that is measured is the code that ships. */
const arenafit_operator* arenafit_walk_next(arenafit_walk* walk);

/* Rows that there have been of a tensor; all of one that no operator makes. */
uint32_t arenafit_rows_made(const arenafit_walk* walk, const arenafit_tensor* tensor);

#endif /* ARENAFIT_SEGMENT_WALK_H_ */
