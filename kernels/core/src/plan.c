#include "arenafit/plan.h"

/* Words are little-endian, as CRC-32 is: it can take four bytes at once. */
static uint32_t crc32(const uint32_t* word, const uint32_t* end) {
  uint32_t crc = UINT32_MAX;
  for (; word != end; ++word) {
    crc ^= *word;
    for (int bit = 0; bit < 32; ++bit) {
      crc = (crc >> 1) ^ (0xEDB88320u & (0u - (crc & 1)));
    }
  }
  return ~crc;
}

/* `buffer` is number `index` of the plan's. No pointer is made of an index that may be anything. */
static int is(const arenafit_plan_buffer* buffer, const arenafit_plan_buffer* first,
              uint32_t index) {
  return (uintptr_t)buffer == (uintptr_t)first + index * sizeof *first;
}

arenafit_plan_status arenafit_plan_check(const void* data, size_t size) {
  const arenafit_plan* plan = (const arenafit_plan*)data;
  if (((uintptr_t)data & 3) != 0 || size < sizeof *plan || plan->magic != ARENAFIT_PLAN_MAGIC) {
    return ARENAFIT_PLAN_FORMAT;
  }
  /* Counts of 16 bits: no product or sum of them overflows. */
  if (size != sizeof *plan + plan->buffers * sizeof(arenafit_plan_buffer) +
                  plan->overlaps * sizeof(arenafit_plan_overlap)) {
    return ARENAFIT_PLAN_TRUNCATED;
  }
  const arenafit_plan_buffer* first = arenafit_plan_buffers(plan);
  const arenafit_plan_buffer* last = first + plan->buffers;
  const arenafit_plan_overlap* pair = (const arenafit_plan_overlap*)(const void*)last;
  const arenafit_plan_overlap* end = pair + plan->overlaps;
  if (crc32(&plan->head, (const uint32_t*)(const void*)end) != plan->checksum) {
    return ARENAFIT_PLAN_CHECKSUM;
  }
  for (const arenafit_plan_buffer* a = first; a != last; ++a) {
    if (a->offset > plan->head || a->size > plan->head - a->offset ||
        a->offset % ARENAFIT_PLAN_ALIGNMENT != 0 || plan->head > INT32_MAX) {
      return ARENAFIT_PLAN_BOUNDS;
    }
    /* `b` may be out of bounds still: unsigned, its end wraps, and its own turn comes. */
    for (const arenafit_plan_buffer* b = first; b != last; ++b) {
      if (a == b || a->first > b->last || b->first > a->last || a->offset >= b->offset + b->size ||
          b->offset >= a->offset + a->size) {
        continue;
      }
      if (b->last == a->first) { /* a: output, b: input */
        const int32_t distance = (int32_t)(b->offset - a->offset);
        if (pair == end || !is(a, first, pair->output) || !is(b, first, pair->input) ||
            distance < pair->low || distance > pair->high) {
          return ARENAFIT_PLAN_UNDECLARED;
        }
        ++pair;
      } else if (a->last != b->first) { /* nor the other way round */
        return ARENAFIT_PLAN_UNDECLARED;
      }
    }
  }
  return pair == end ? ARENAFIT_PLAN_OK : ARENAFIT_PLAN_UNUSED;
}

arenafit_plan_status arenafit_plan_match(const arenafit_plan* plan, uint32_t index,
                                         arenafit_request* request) {
  arenafit_plan_status status = ARENAFIT_PLAN_SCRATCH_OTHER;
  if (index < plan->buffers) {
    const arenafit_plan_buffer* planned = &arenafit_plan_buffers(plan)[index];
    if (request->first == planned->first && request->last == planned->last) {
      const uint32_t size = (uint32_t)request->size;
      request->offset = (int32_t)planned->offset;
      if (size == planned->size || (size < planned->size && index >= plan->tensors)) {
        return ARENAFIT_PLAN_OK;
      }
      status = ARENAFIT_PLAN_SCRATCH_SIZE;
    }
  }
  return index < plan->tensors ? ARENAFIT_PLAN_OTHER_MODEL : status;
}
