/* The plan's checks and the planning on bytes that nobody vouches for.
 *
 * A fuzzer calls LLVMFuzzerTestOneInput. Without one (-DSTANDALONE) main() reads blobs from
 * standard input, each as one line of hexadecimal digits, and prints a line with the status of
 * each.
 *
 * Blobs are checked in blocks of exactly their size, for the sanitizers to watch; a plan that is
 * found sound is gone through by a check that is too simple to be wrong.
 */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "arenafit/plan.h"
#include "arenafit/plan_online.h"

static int declared(const arenafit_plan* plan, uint32_t i, uint32_t j) {
  const arenafit_plan_buffer* b = arenafit_plan_buffers(plan);
  const arenafit_plan_overlap* pairs = (const void*)(b + plan->buffers);
  for (uint32_t k = 0; k < plan->overlaps; ++k) {
    const int64_t distance = (int64_t)b[j].offset - b[i].offset;
    if (pairs[k].output == i && pairs[k].input == j && pairs[k].low <= distance &&
        distance <= pairs[k].high) {
      return b[j].last == b[i].first;
    }
  }
  return 0;
}

static void require(int holds, const char* what) {
  if (!holds) {
    fprintf(stderr, "%s\n", what);
    abort();
  }
}

static void require_sound(const arenafit_plan* plan) {
  const arenafit_plan_buffer* b = arenafit_plan_buffers(plan);
  for (uint32_t i = 0; i < plan->buffers; ++i) {
    require((uint64_t)b[i].offset + b[i].size <= plan->head, "a buffer ends behind the head");
    for (uint32_t j = 0; j < i; ++j) {
      const int meet = b[i].first <= b[j].last && b[j].first <= b[i].last;
      const int share =
          b[i].offset < b[j].offset + b[j].size && b[j].offset < b[i].offset + b[i].size;
      require(!meet || !share || declared(plan, i, j) || declared(plan, j, i), "undeclared");
    }
  }
}

/* Plans the blob's buffers anew, every third with its offset given. */
static void plan_anew(const arenafit_plan* plan) {
  const arenafit_plan_buffer* b = arenafit_plan_buffers(plan);
  const uint32_t count = plan->buffers;
  arenafit_request* r = malloc((count + 1) * sizeof *r);
  for (uint32_t i = 0; i < count; ++i) {
    r[i] = (arenafit_request){
        .size = (int32_t)(b[i].size & INT32_MAX),
        .first = b[i].first,
        .last = b[i].last,
        .fixed = i % 3 == 2 ? (int32_t)(b[i].offset & INT32_MAX) : ARENAFIT_ONLINE};
    const arenafit_plan_status status = arenafit_plan_match(plan, i, &r[i]);
    require(status == ARENAFIT_PLAN_OK || b[i].size > INT32_MAX, "a planned buffer does not match");
  }
  arenafit_request more = {.size = 16};
  require(arenafit_plan_match(plan, count, &more) != ARENAFIT_PLAN_OK, "one more matches");
  const int64_t head = arenafit_plan_online(r, count, 4);
  for (uint32_t i = 0; i < count && head >= 0; ++i) {
    require(r[i].offset >= 0 && (int64_t)r[i].offset + r[i].size <= head, "planned out of bounds");
    require(r[i].fixed < 0 || r[i].offset == r[i].fixed, "a given offset was changed");
    for (uint32_t j = 0; j < i; ++j) {
      const int meet = r[i].first <= r[j].last && r[j].first <= r[i].last;
      const int share = r[i].offset < (int64_t)r[j].offset + r[j].size &&
                        r[j].offset < (int64_t)r[i].offset + r[i].size;
      require(!meet || !share || (r[i].fixed >= 0 && r[j].fixed >= 0), "planned on one another");
    }
  }
  free(r);
}

static arenafit_plan_status check(const uint8_t* data, size_t size) {
  uint8_t* block = malloc(size + (size == 0));
  memcpy(block, data, size);
  const arenafit_plan_status status = arenafit_plan_check(block, size);
  const arenafit_plan* plan = (const void*)block;
  if (status == ARENAFIT_PLAN_OK) {
    require_sound(plan);
  }
  if (status == ARENAFIT_PLAN_OK || status >= ARENAFIT_PLAN_BOUNDS) {
    plan_anew(plan);
  }
  free(block);
  return status;
}

static uint32_t crc32(const uint8_t* data, size_t size) {
  uint32_t crc = UINT32_MAX;
  while (size-- > 0) {
    crc ^= *data++;
    for (int bit = 0; bit < 8; ++bit) {
      crc = (crc & 1) != 0 ? (crc >> 1) ^ 0xEDB88320u : crc >> 1;
    }
  }
  return ~crc;
}

int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  check(data, size);
  if (size > sizeof(arenafit_plan) && size < 4096) { /* and once more, past the checksum */
    arenafit_plan plan;
    uint8_t* block = malloc(size);
    memcpy(block, data, size);
    memcpy(&plan, data, sizeof plan);
    const size_t records = (size - sizeof plan) / sizeof(arenafit_plan_buffer);
    const size_t bytes = sizeof plan + records * sizeof(arenafit_plan_buffer);
    plan.magic = ARENAFIT_PLAN_MAGIC;
    plan.buffers = (uint16_t)(records == 0 ? 0 : plan.buffers % (records + 1));
    plan.overlaps = (uint16_t)(records - plan.buffers);
    memcpy(block, &plan, sizeof plan);
    plan.checksum = crc32(block + 8, bytes - 8);
    memcpy(block, &plan, sizeof plan);
    check(block, bytes);
    free(block);
  }
  return 0;
}

#ifdef STANDALONE
static int digit(int c) { return c <= '9' ? c - '0' : c - 'a' + 10; }

int main(void) {
  static uint8_t blob[1 << 16];
  size_t size = 0;
  int high, low;
  while ((high = getchar()) != EOF) {
    if (high == '\n') {
      LLVMFuzzerTestOneInput(blob, size);
      printf("%d\n", (int)check(blob, size));
      size = 0;
    } else if ((low = getchar()) != EOF && size < sizeof blob) {
      blob[size++] = (uint8_t)(digit(high) * 16 + digit(low));
    }
  }
  return 0;
}
#endif
