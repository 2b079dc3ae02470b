#include "arenafit/plan.h"

static uint32_t crc32(const uint32_t* word, const uint32_t* end) {
  uint32_t crc = UINT32_MAX;
  for (; word != end; ++word) {
    crc ^= *word; /* the four bytes at once: words are little-endian, as CRC-32 is */
    for (int bit = 0; bit < 32; ++bit) {
      crc = (crc & 1) != 0 ? (crc >> 1) ^ 0xEDB88320u : crc >> 1;
    }
  }
  return ~crc;
}

arenafit_plan_status arenafit_plan_check(const void* data, size_t size) {
  const arenafit_plan* plan = (const arenafit_plan*)data;
  if (((uintptr_t)data & 3) != 0 || size < sizeof *plan || plan->magic != ARENAFIT_PLAN_MAGIC) {
    return ARENAFIT_PLAN_FORMAT;
  }
  const arenafit_plan_buffer* buffers = arenafit_plan_buffers(plan);
  const arenafit_plan_overlap* pair =
      (const arenafit_plan_overlap*)(const void*)(buffers + plan->buffers);
  const arenafit_plan_overlap* end = pair + plan->overlaps;
  if ((const uint8_t*)data + size != (const uint8_t*)end || plan->tensors > plan->buffers) {
    return ARENAFIT_PLAN_TRUNCATED;
  }
  if (crc32((const uint32_t*)&plan->head, (const uint32_t*)(const void*)end) != plan->checksum) {
    return ARENAFIT_PLAN_CHECKSUM;
  }
  for (uint32_t i = 0; i < plan->buffers; ++i) {
    const arenafit_plan_buffer* a = &buffers[i];
    const uint32_t room = plan->head - (uint32_t)a->offset;
    if (plan->head > INT32_MAX || (uint32_t)a->offset > plan->head || (uint32_t)a->size > room ||
        a->offset % ARENAFIT_PLAN_ALIGNMENT != 0) {
      return ARENAFIT_PLAN_BOUNDS;
    }
    for (uint32_t j = 0; j < i; ++j) {
      const arenafit_plan_buffer* b = &buffers[j];
      if (a->first > b->last || b->first > a->last || a->offset >= b->offset + b->size ||
          b->offset >= a->offset + a->size) {
        continue;
      }
      if (pair == end) {
        return ARENAFIT_PLAN_UNDECLARED;
      }
      const arenafit_plan_buffer* output = a;
      const arenafit_plan_buffer* input = b;
      if (pair->output != i) {
        output = b;
        input = a;
      }
      const int32_t distance = input->offset - output->offset;
      if (&buffers[pair->output] != output || &buffers[pair->input] != input ||
          input->last != output->first || distance < pair->low || distance > pair->high) {
        return ARENAFIT_PLAN_UNDECLARED;
      }
      ++pair;
    }
  }
  return pair == end ? ARENAFIT_PLAN_OK : ARENAFIT_PLAN_UNUSED;
}

arenafit_plan_status arenafit_plan_match(const arenafit_plan* plan, uint32_t index, int32_t size,
                                         int32_t first, int32_t last) {
  const arenafit_plan_buffer* planned = &arenafit_plan_buffers(plan)[index];
  const int same = first == planned->first && last == planned->last;
  if (index < plan->tensors) {
    return same && size == planned->size ? ARENAFIT_PLAN_OK : ARENAFIT_PLAN_OTHER_MODEL;
  }
  if (index >= plan->buffers || !same) {
    return ARENAFIT_PLAN_SCRATCH_OTHERS;
  }
  return size <= planned->size ? ARENAFIT_PLAN_OK : ARENAFIT_PLAN_SCRATCH_SIZE;
}
