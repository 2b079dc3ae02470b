/* The memory plan that arenafit stores in a model: its format, and the checks that make it
 * trustworthy.
 *
 * The plan is the buffer of the model's metadata entry ARENAFIT_PLAN_METADATA. It is little-endian,
 * 4-byte aligned, and used in place (from flash):
 *
 *   arenafit_plan                       20 bytes, the header
 *   arenafit_plan_buffer[buffers]       12 bytes each: first the tensors that need a place, then
 * the kernels' scratch, both in the order of TFLM's AddBuffer calls arenafit_plan_overlap[overlaps]
 * 12 bytes each: the pairs that share bytes
 *
 * A plan is sound where all of this holds, and is refused otherwise:
 *
 *   1. It starts with the magic word, which has the version in it, at an aligned address.
 *   2. The blob is as long as its counts say.
 *   3. `checksum` is the CRC-32 of everything behind it (zlib's: polynomial 0xEDB88320 reflected,
 *      all ones at first, inverted at last).
 *   4. Every offset is a multiple of 16, no buffer ends behind `head`, and `head` is an int32.
 *   5. Two buffers whose lifetimes have a scope in common have no byte in common, except for an
 *      operator's output and an input that is used for the last time in the scope in which the
 *      output is created. Each such pair is declared, with the distances that the kernel's order of
 *      reads and writes allows:  low <= offset(input) - offset(output) <= high.
 *   6. Pairs that have no byte in common are not declared; the others once, by index of the output,
 *      then of the input.
 *
 * It is a plan for the buffers at hand where each tensor has just the planned size and lifetime,
 * and each scratch buffer the planned lifetime and at most the planned size. Scratch is told apart
 * because it depends on the kernels that are linked, not on the model.
 */
#ifndef ARENAFIT_PLAN_H_
#define ARENAFIT_PLAN_H_

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#define ARENAFIT_PLAN_METADATA "arenafit_plan"
#define ARENAFIT_PLAN_MAGIC 0x31504641 /* "AFP1": version 1 */
#define ARENAFIT_PLAN_ALIGNMENT 16     /* bytes, of every offset */

typedef struct {
  uint32_t magic;
  uint32_t checksum;
  uint32_t head;     /* bytes of arena that the plan takes */
  uint16_t tensors;  /* how many of the buffers are tensors; the others are scratch */
  uint16_t buffers;  /* tensors and scratch */
  uint16_t overlaps; /* declared pairs */
  uint16_t reserved; /* 0; a later writer's, not looked at */
} arenafit_plan;

typedef struct {
  uint32_t size;   /* bytes, as TFLM asks for them: rounded up to 16 */
  uint32_t offset; /* bytes from the start of the arena */
  int16_t first;   /* scope in which it is created; a model with more scopes has no plan */
  int16_t last;    /* scope of its last use */
} arenafit_plan_buffer;

typedef struct {
  uint16_t output; /* index among the plan's buffers */
  uint16_t input;
  int32_t low;  /* bytes, may be negative */
  int32_t high; /* INT32_MAX: no upper limit */
} arenafit_plan_overlap;

/* A buffer that needs a place, and what is known of it while one is looked for. */
typedef struct {
  int32_t size;      /* bytes, >= 0 */
  int32_t first;     /* scope in which it is created */
  int32_t last;      /* scope of its last use */
  int32_t fixed;     /* offset that is given, or ARENAFIT_ONLINE */
  int32_t offset;    /* the answer */
  uint32_t tried;    /* used by arenafit_plan_online */
  uint32_t priority; /* likewise */
  uint32_t unused;   /* 32 bytes in all: an index is a shift then, which is less code */
} arenafit_request;

#define ARENAFIT_ONLINE (-1) /* as TFLM's kOnlinePlannedBuffer */

/* Up to ARENAFIT_PLAN_UNUSED the plan is not sound, or (ARENAFIT_PLAN_OTHER_MODEL) it is for
 * another model. From ARENAFIT_PLAN_SCRATCH_SIZE on nothing is wrong: it was made for other
 * kernels. */
typedef enum {
  ARENAFIT_PLAN_OK,
  ARENAFIT_PLAN_FORMAT,        /* rule 1 */
  ARENAFIT_PLAN_TRUNCATED,     /* rule 2 */
  ARENAFIT_PLAN_CHECKSUM,      /* rule 3 */
  ARENAFIT_PLAN_BOUNDS,        /* rule 4 */
  ARENAFIT_PLAN_UNDECLARED,    /* rule 5 */
  ARENAFIT_PLAN_UNUSED,        /* rule 6 */
  ARENAFIT_PLAN_OTHER_MODEL,   /* a tensor is not the planned one */
  ARENAFIT_PLAN_SCRATCH_SIZE,  /* a scratch buffer is larger than planned */
  ARENAFIT_PLAN_SCRATCH_OTHER, /* a scratch buffer is not the planned one, or there are more */
} arenafit_plan_status;

static inline const arenafit_plan_buffer* arenafit_plan_buffers(const arenafit_plan* plan) {
  return (const arenafit_plan_buffer*)(const void*)(plan + 1);
}

/* Is this a sound plan, whatever it is for?
 *
 * data    the metadata's buffer; may hold anything
 * size    its bytes
 *
 * Returns ARENAFIT_PLAN_OK, or what is wrong. Reads nothing outside of `data`.
 * Time: quadratic in the number of buffers.
 */
arenafit_plan_status arenafit_plan_check(const void* data, size_t size);

/* Does a sound plan have a place for buffer number `index`, with the size and lifetime that
 * `request` has?
 *
 * Returns ARENAFIT_PLAN_OK with request->offset set, or ARENAFIT_PLAN_OTHER_MODEL,
 * ARENAFIT_PLAN_SCRATCH_SIZE or ARENAFIT_PLAN_SCRATCH_OTHER. Buffers that follow the last one that
 * is asked for may be missing: a part of a sound plan is sound.
 */
arenafit_plan_status arenafit_plan_match(const arenafit_plan* plan, uint32_t index,
                                         arenafit_request* request);

/* What a status means, in a few words for the log. */
const char* arenafit_plan_message(arenafit_plan_status status);

#ifdef __cplusplus
}
#endif

#endif /* ARENAFIT_PLAN_H_ */
