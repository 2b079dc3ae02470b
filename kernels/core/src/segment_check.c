#include "segment_check.h"

/* Everything here may be anything: counts are of 16 bits, and sizes are of 64, so that no product
 * of theirs overflows. */

/* ---- the whole ------------------------------------------------------------------------------ */

/* Words are little-endian, as CRC-32 is: it can take four bytes at once, and four bits at a time.
 */
static uint32_t crc32(const uint32_t* word, const uint32_t* end) {
  static const uint32_t kOfBits[16] = {0x00000000, 0x1DB71064, 0x3B6E20C8, 0x26D930AC,
                                       0x76DC4190, 0x6B6B51F4, 0x4DB26158, 0x5005713C,
                                       0xEDB88320, 0xF00F9344, 0xD6D6A3E8, 0xCB61B38C,
                                       0x9B64C2B0, 0x86D3D2D4, 0xA00AE278, 0xBDBDF21C};
  uint32_t crc = UINT32_MAX;
  for (; word != end; ++word) {
    crc ^= *word;
    for (int bits = 0; bits < 32; bits += 4) {
      crc = (crc >> 4) ^ kOfBits[crc & 15];
    }
  }
  return ~crc;
}

static status check_header(const void* data, size_t size, subject* self) {
  const arenafit_program* program = data;
  if (program == NULL || (uintptr_t)data % sizeof(uint32_t) != 0 || size < sizeof *program ||
      program->magic != ARENAFIT_PROGRAM_MAGIC) {
    return ARENAFIT_SEGMENT_FORMAT;
  }
  const uint64_t sections = sizeof *program + (uint64_t)program->tensors * sizeof(arenafit_tensor) +
                            (uint64_t)program->operators * sizeof(arenafit_operator) +
                            (uint64_t)program->goals * sizeof(arenafit_goal) +
                            (uint64_t)program->outputs * program->inputs * sizeof(int32_t) +
                            (uint64_t)program->operands * sizeof(uint16_t);
  if (program->size != size || size % 16 != 0 || size > INT32_MAX || sections > size ||
      program->workspace > INT32_MAX || program->workspace % 16 != 0 ||
      program->workspace < ARENAFIT_STATE_SIZE(program->operators)) {
    return ARENAFIT_SEGMENT_SIZE;
  }
  const uint32_t* words = data;
  if (crc32(words + 2, words + size / sizeof *words) != program->checksum) {
    return ARENAFIT_SEGMENT_CHECKSUM;
  }
  self->parts = arenafit_parts_of(program);
  self->data = sections;
  return ARENAFIT_SEGMENT_OK;
}

int arenafit_is_data(const subject* self, uint32_t offset, uint64_t bytes, uint32_t alignment) {
  const uint64_t size = self->parts.header->size;
  return offset % alignment == 0 && offset >= self->data && offset <= size &&
         bytes <= size - offset;
}

int arenafit_is_workspace(const subject* self, uint32_t offset, uint64_t bytes,
                          uint32_t alignment) {
  const arenafit_program* program = self->parts.header;
  return offset % alignment == 0 && offset >= ARENAFIT_STATE_SIZE(program->operators) &&
         offset <= program->workspace && bytes <= program->workspace - offset;
}

/* ---- tensors -------------------------------------------------------------------------------- */

static int is_tensor(const subject* self, uint32_t index) {
  const arenafit_program* program = self->parts.header;
  const arenafit_tensor* tensor = &self->parts.tensors[index];
  if (elements(tensor) == 0 || tensor->ring == 0 || tensor->ring > tensor->rows ||
      !arenafit_has_type(tensor->type)) {
    return 0;
  }
  const uint32_t size = arenafit_type_size(tensor->type);
  if (elements(tensor) * size > INT32_MAX) {
    return 0;
  }
  const uint16_t producer = tensor->producer;
  const int made = producer != ARENAFIT_NO_OPERATOR;
  if (made && (producer >= program->operators || self->parts.operators[producer].output != index)) {
    return 0;
  }
  if (tensor->place == ARENAFIT_PLACE_WORKSPACE) {
    const uint64_t bytes = (uint64_t)tensor->ring * arenafit_row_size(tensor);
    return made && arenafit_is_workspace(self, tensor->offset, bytes, size);
  }
  if (tensor->ring != tensor->rows || tensor->type == ARENAFIT_TENSOR_S32) {
    return 0;
  }
  switch (tensor->place) {
    case ARENAFIT_PLACE_INPUT:
      return !made && tensor->offset < program->inputs;
    case ARENAFIT_PLACE_OUTPUT:
      return made && tensor->offset < program->outputs;
    case ARENAFIT_PLACE_CONSTANT:
      return !made && arenafit_is_data(self, tensor->offset, elements(tensor) * size, size);
    default:
      return 0;
  }
}

/* The only tensor that is the segment's input or output number `offset`. */
static const arenafit_tensor* find(const arenafit_parts* parts, uint32_t place, uint32_t offset) {
  const arenafit_tensor* found = NULL;
  for (uint32_t i = 0; i < parts->header->tensors; ++i) {
    const arenafit_tensor* tensor = &parts->tensors[i];
    if (tensor->place == place && tensor->offset == offset) {
      if (found != NULL) {
        return NULL;
      }
      found = tensor;
    }
  }
  return found;
}

static status check_tensors(const subject* self) {
  const arenafit_program* program = self->parts.header;
  for (uint32_t i = 0; i < program->tensors; ++i) {
    if (!is_tensor(self, i)) {
      return ARENAFIT_SEGMENT_TENSOR;
    }
  }
  for (uint32_t i = 0; i < program->inputs; ++i) {
    if (find(&self->parts, ARENAFIT_PLACE_INPUT, i) == NULL) {
      return ARENAFIT_SEGMENT_TENSOR;
    }
  }
  for (uint32_t i = 0; i < program->outputs; ++i) {
    if (find(&self->parts, ARENAFIT_PLACE_OUTPUT, i) == NULL) {
      return ARENAFIT_SEGMENT_TENSOR;
    }
  }
  return ARENAFIT_SEGMENT_OK;
}

/* ---- operators ------------------------------------------------------------------------------ */

/* Sums are for convolutions alone: what one makes of them, and of which it goes on. */
static int are_bytes(const call* it) {
  for (uint32_t i = 0; i < it->op->operands; ++i) {
    const arenafit_tensor* operand = arenafit_operand(&it->program->parts, it->op, i);
    const int may_be_sums = it->op->kind == ARENAFIT_CONV_2D && i == 1;
    if (operand->type != ARENAFIT_TENSOR_S8 && !may_be_sums) {
      return 0;
    }
  }
  return it->y->type == ARENAFIT_TENSOR_S8 ||
         (it->y->type == ARENAFIT_TENSOR_S32 && it->op->kind == ARENAFIT_CONV_2D);
}

static int are_alike(const call* it) {
  for (uint32_t i = 0; i < it->op->operands; ++i) {
    if (arenafit_operand(&it->program->parts, it->op, i)->type != it->y->type) {
      return 0;
    }
  }
  return it->y->type != ARENAFIT_TENSOR_S32;
}

/* Whether a type is one of those whose bits are set. */
static int is_one_of(uint32_t type, uint32_t types) { return types >> type & 1; }

/* Kinds that floats, or int16_t, have kernels of their own for; NULL for all others. */
static const kind* kind_of_type(uint32_t id, uint32_t type) {
#ifndef ARENAFIT_NO_F32
  if (type == ARENAFIT_TENSOR_F32) {
    return arenafit_kind_of_f32(id);
  }
#endif
#ifndef ARENAFIT_NO_S16
  if (type == ARENAFIT_TENSOR_S16) {
    return arenafit_kind_of_s16(id);
  }
#endif
  (void)id;
  (void)type;
  return NULL;
}

static int are_types_right(const call* it) {
  const uint32_t y = it->y->type, x = it->x == NULL ? y : it->x->type;
  const uint32_t s8 = 1 << ARENAFIT_TENSOR_S8, u8 = 1 << ARENAFIT_TENSOR_U8;
  const uint32_t s16 = 1 << ARENAFIT_TENSOR_S16, f32 = 1 << ARENAFIT_TENSOR_F32;
  switch (it->op->kind) {
    case ARENAFIT_CONCATENATION:
    case ARENAFIT_PAD:
    case ARENAFIT_RESIZE_NEAREST_NEIGHBOR:
    case ARENAFIT_FEED:
      return are_alike(it);
    case ARENAFIT_TABLE:
      return is_one_of(x, s8 | u8) && is_one_of(y, s8 | u8);
    case ARENAFIT_QUANTIZE:
      return is_one_of(x, f32) && is_one_of(y, s8 | s16);
    case ARENAFIT_DEQUANTIZE:
      return is_one_of(x, s8 | u8 | s16) && is_one_of(y, f32);
    case ARENAFIT_REQUANTIZE:
      return is_one_of(x, s8 | s16) && is_one_of(y, s8 | s16) &&
             (is_one_of(x, s16) || is_one_of(y, s16));
    default:
      return kind_of_type(it->op->kind, y) != NULL ? are_alike(it) : are_bytes(it);
  }
}

static status check_operator(const subject* self, uint32_t index) {
  const arenafit_program* program = self->parts.header;
  const arenafit_operator* op = &self->parts.operators[index];
  if (op->output >= program->tensors || self->parts.tensors[op->output].producer != index ||
      op->first > program->operands || op->operands > program->operands - op->first) {
    return ARENAFIT_SEGMENT_OPERATOR;
  }
  for (uint32_t i = 0; i < op->operands; ++i) {
    const uint32_t operand = self->parts.operands[op->first + i];
    if (operand >= program->tensors) {
      return ARENAFIT_SEGMENT_OPERATOR;
    }
    const uint16_t producer = self->parts.tensors[operand].producer;
    if (producer != ARENAFIT_NO_OPERATOR && producer >= index) {
      return ARENAFIT_SEGMENT_OPERATOR;
    }
  }
  const call it = {self, op, arenafit_at(program, op->parameters),
                   op->operands == 0 ? NULL : arenafit_operand(&self->parts, op, 0),
                   &self->parts.tensors[op->output]};
  const kind* own = kind_of_type(op->kind, it.y->type);
  const kind* moves = arenafit_kind_of_move(op->kind);
  const kind* known = own != NULL ? own : moves != NULL ? moves : arenafit_kind_of_s8(op->kind);
  if (known == NULL || op->operands < known->least || op->operands > known->most) {
    return ARENAFIT_SEGMENT_OPERATOR;
  }
  if (!are_types_right(&it)) {
    return ARENAFIT_SEGMENT_SHAPE;
  }
  if (!arenafit_is_data(self, op->parameters, known->size, 4)) {
    return ARENAFIT_SEGMENT_PARAMETERS;
  }
  return known->check(&it);
}

static status check_goals(const arenafit_parts* parts) {
  for (uint32_t i = 0; i < parts->header->goals; ++i) {
    const arenafit_goal* goal = &parts->goals[i];
    if (goal->operator_index >= parts->header->operators ||
        goal->steps > arenafit_steps_of(parts, &parts->operators[goal->operator_index])) {
      return ARENAFIT_SEGMENT_GOAL;
    }
  }
  return ARENAFIT_SEGMENT_OK;
}

status arenafit_segment_check(const void* program, size_t size) {
  subject self;
  status found = check_header(program, size, &self);
  if (found == ARENAFIT_SEGMENT_OK) {
    found = check_tensors(&self);
  }
  for (uint32_t i = 0; found == ARENAFIT_SEGMENT_OK && i < self.parts.header->operators; ++i) {
    found = check_operator(&self, i);
  }
  return found == ARENAFIT_SEGMENT_OK ? check_goals(&self.parts) : found;
}

int arenafit_segment_is_partial_conv(const arenafit_program* program) {
  const arenafit_parts parts = arenafit_parts_of(program);
  if (program->operators == 0 || program->operators != program->inputs || program->outputs != 1) {
    return 0;
  }
  for (uint32_t i = 0; i < program->operators; ++i) {
    const arenafit_operator* op = &parts.operators[i];
    const int last = i + 1u == program->operators;
    if (op->kind != ARENAFIT_CONV_2D || op->operands != (i == 0 ? 1 : 2)) {
      return 0;
    }
    const arenafit_tensor* x = arenafit_operand(&parts, op, 0);
    if (x->place != ARENAFIT_PLACE_INPUT || x->offset != i ||
        (i > 0 && arenafit_operand(&parts, op, 1)->producer != i - 1u) ||
        (parts.tensors[op->output].type == ARENAFIT_TENSOR_S32) == last) {
      return 0;
    }
  }
  return 1;
}

/* ---- what the caller provides --------------------------------------------------------------- */

static size_t size_of(const arenafit_program* program, uint32_t place, uint32_t index) {
  const arenafit_parts parts = arenafit_parts_of(program);
  const arenafit_tensor* tensor = find(&parts, place, index);
  return (size_t)tensor->rows * arenafit_row_size(tensor);
}

static uint32_t type_of(const arenafit_program* program, uint32_t place, uint32_t index) {
  const arenafit_parts parts = arenafit_parts_of(program);
  return find(&parts, place, index)->type;
}

uint32_t arenafit_segment_input_type(const arenafit_program* program, uint32_t index) {
  return type_of(program, ARENAFIT_PLACE_INPUT, index);
}

uint32_t arenafit_segment_output_type(const arenafit_program* program, uint32_t index) {
  return type_of(program, ARENAFIT_PLACE_OUTPUT, index);
}

size_t arenafit_segment_input_size(const arenafit_program* program, uint32_t index) {
  return size_of(program, ARENAFIT_PLACE_INPUT, index);
}

size_t arenafit_segment_output_size(const arenafit_program* program, uint32_t index) {
  return size_of(program, ARENAFIT_PLACE_OUTPUT, index);
}

static int is_aligned(const void* address, uint32_t type) {
  return (uintptr_t)address % arenafit_type_size(type) == 0;
}

/* Whether the `a` bytes at `x` and the `b` bytes at `y` have none in common. */
static int are_apart(uintptr_t x, size_t a, uintptr_t y, size_t b) {
  return x < y ? y - x >= a : x - y >= b;
}

status arenafit_segment_check_overlap(const arenafit_program* program, const void* const* inputs,
                                      void* const* outputs) {
  const arenafit_parts parts = arenafit_parts_of(program);
  for (uint32_t j = 0; j < program->inputs; ++j) {
    if (!is_aligned(inputs[j], arenafit_segment_input_type(program, j))) {
      return ARENAFIT_SEGMENT_ALIGNMENT;
    }
  }
  for (uint32_t i = 0; i < program->outputs; ++i) {
    const uintptr_t output = (uintptr_t)outputs[i];
    if (!is_aligned(outputs[i], arenafit_segment_output_type(program, i))) {
      return ARENAFIT_SEGMENT_ALIGNMENT;
    }
    const size_t size = arenafit_segment_output_size(program, i);
    for (uint32_t j = 0; j < i; ++j) {
      if (!are_apart(output, size, (uintptr_t)outputs[j],
                     arenafit_segment_output_size(program, j))) {
        return ARENAFIT_SEGMENT_OVERLAP;
      }
    }
    for (uint32_t j = 0; j < program->inputs; ++j) {
      const uintptr_t input = (uintptr_t)inputs[j];
      const int32_t least = parts.overlaps[i * program->inputs + j];
      if (!are_apart(output, size, input, arenafit_segment_input_size(program, j)) &&
          (least == ARENAFIT_DISJOINT || (intptr_t)(input - output) < least)) {
        return ARENAFIT_SEGMENT_OVERLAP;
      }
    }
  }
  return ARENAFIT_SEGMENT_OK;
}
