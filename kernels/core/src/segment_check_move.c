/* What moves elements, of any type, or makes one type of another. */
#include "segment_check.h"

static status check_concatenation(const call* it) {
  const arenafit_concatenation* params = it->params;
  if (params->axis > 2) {
    return ARENAFIT_SEGMENT_PARAMETERS;
  }
  uint32_t sum = 0;
  for (uint32_t i = 0; i < it->op->operands; ++i) {
    const arenafit_tensor* x = arenafit_operand(&it->program->parts, it->op, i);
    const uint32_t extents[] = {x->rows, x->width, x->channels};
    const uint32_t wanted[] = {it->y->rows, it->y->width, it->y->channels};
    for (uint32_t axis = 0; axis < 3; ++axis) {
      if (axis != params->axis && extents[axis] != wanted[axis]) {
        return ARENAFIT_SEGMENT_SHAPE;
      }
    }
    sum += extents[params->axis];
  }
  const uint32_t whole[] = {it->y->rows, it->y->width, it->y->channels};
  return sum == whole[params->axis] ? ARENAFIT_SEGMENT_OK : ARENAFIT_SEGMENT_SHAPE;
}

static status check_pad(const call* it) {
  const arenafit_pad* params = it->params;
  if (params->rows + it->x->rows > it->y->rows || params->columns + it->x->width > it->y->width ||
      params->channels + it->x->channels > it->y->channels) {
    return ARENAFIT_SEGMENT_SHAPE;
  }
  const int of_bytes = arenafit_type_size(it->x->type) == 1;
  return params->value == 0 || (of_bytes && is_byte(params->value)) ? ARENAFIT_SEGMENT_OK
                                                                    : ARENAFIT_SEGMENT_PARAMETERS;
}

/* Indices below `limit`. */
static int are_indices(const subject* self, uint32_t offset, uint32_t count, uint32_t limit) {
  if (!arenafit_is_data(self, offset, count * sizeof(uint16_t), 2)) {
    return 0;
  }
  const uint16_t* indices = arenafit_at(self->parts.header, offset);
  for (uint32_t i = 0; i < count; ++i) {
    if (indices[i] >= limit) {
      return 0;
    }
  }
  return 1;
}

static status check_resize(const call* it) {
  const arenafit_resize* params = it->params;
  if (it->x->channels != it->y->channels) {
    return ARENAFIT_SEGMENT_SHAPE;
  }
  return are_indices(it->program, params->rows, it->y->rows, it->x->rows) &&
                 are_indices(it->program, params->columns, it->y->width, it->x->width)
             ? ARENAFIT_SEGMENT_OK
             : ARENAFIT_SEGMENT_PARAMETERS;
}

/* Zero points of a type. */
static int is_zero_point(int32_t value, uint32_t type) {
  switch (type) {
    case ARENAFIT_TENSOR_S8:
      return is_byte(value);
    case ARENAFIT_TENSOR_U8:
      return is_between(value, 0, UINT8_MAX);
    default:
      return is_between(value, INT16_MIN, INT16_MAX);
  }
}

static status check_quantize(const call* it) {
  const arenafit_quantize* params = it->params;
  const uint32_t type = it->op->kind == ARENAFIT_QUANTIZE ? it->y->type : it->x->type;
  if (!is_same(it->x, it->y)) {
    return ARENAFIT_SEGMENT_SHAPE;
  }
  return params->scale > 0 && params->scale <= ARENAFIT_LARGEST_F32 &&
                 is_zero_point(params->zero_point, type)
             ? ARENAFIT_SEGMENT_OK
             : ARENAFIT_SEGMENT_PARAMETERS;
}

static status check_requantize(const call* it) {
  const arenafit_rescale* params = it->params;
  if (!is_same(it->x, it->y)) {
    return ARENAFIT_SEGMENT_SHAPE;
  }
  return is_between(params->input_offset, INT16_MIN, INT16_MAX + 1) &&
                 is_scale(params->multiplier, params->shift) &&
                 is_zero_point(params->output_offset, it->y->type)
             ? ARENAFIT_SEGMENT_OK
             : ARENAFIT_SEGMENT_PARAMETERS;
}

/* Its number may be any that no operator before it has: rows of an input come once. */
static status check_feed(const call* it) {
  const arenafit_parts* parts = &it->program->parts;
  const arenafit_feed* params = it->params;
  for (const arenafit_operator* op = parts->operators; op != it->op; ++op) {
    if (op->kind == ARENAFIT_FEED) {
      const arenafit_feed* other = arenafit_at(parts->header, op->parameters);
      if (other->input == params->input) {
        return ARENAFIT_SEGMENT_PARAMETERS;
      }
    }
  }
  return ARENAFIT_SEGMENT_OK;
}

const kind* arenafit_kind_of_move(uint32_t id) {
  static const kind kConcatenation = {1, ARENAFIT_MAX_OPERANDS, sizeof(arenafit_concatenation),
                                      check_concatenation};
  static const kind kPad = {1, 1, sizeof(arenafit_pad), check_pad};
  static const kind kResize = {1, 1, sizeof(arenafit_resize), check_resize};
  static const kind kQuantize = {1, 1, sizeof(arenafit_quantize), check_quantize};
  static const kind kRequantize = {1, 1, sizeof(arenafit_rescale), check_requantize};
  static const kind kFeed = {0, 0, sizeof(arenafit_feed), check_feed};
  switch (id) {
    case ARENAFIT_CONCATENATION:
      return &kConcatenation;
    case ARENAFIT_PAD:
      return &kPad;
    case ARENAFIT_RESIZE_NEAREST_NEIGHBOR:
      return &kResize;
    case ARENAFIT_QUANTIZE:
    case ARENAFIT_DEQUANTIZE:
      return &kQuantize;
    case ARENAFIT_REQUANTIZE:
      return &kRequantize;
    case ARENAFIT_FEED:
      return &kFeed;
    default:
      return NULL;
  }
}
