// Runs an exported network on the bare device, as firmware would. job.py reads what it prints:
//
//   RAN instructions=N stack=BYTES    for each invocation
//   INTERPRETER N                     how many of the instructions were in no operator's steps
//   OPERATOR N                        in the steps of each operator, in order
//   OUT hex                           the bytes of its outputs in a row, in pieces
//   END
//
// Instructions are told apart only where profile.S stands between an interpreter and its order of
// steps, as `--wrap=arenafit_walk_next` tells the linker; without that all are the interpreter's.
#include <string.h>

#include "device.h"
#include "net.h"
#include "ports.h"  // kInputs, kOutputs, kOperators, kFirst: bench.py writes it
#include "segment_walk.h"

enum { kBytesPerLine = 64, kNone = kOperators };

// Calls net_run(arena) with clock and stack measured; returns the stack. In measure.S.
uint32_t bench_measure(void* arena);

static _Alignas(ARENAFIT_PROGRAM_ALIGNMENT) uint8_t arena[NET_ARENA_BYTES];

static struct {
  uint64_t instructions[kOperators + 1];  // of each operator's steps; the last: of none
  uint32_t segment;                       // that is running
  uint32_t current;                       // whose instructions those are that come now
  uint32_t ours;                          // of profile.S, that the clock has counted with them
} profile;

// Instructions of profile.S within what the clock counts: before the choice of a step, with it, and
// after it.
enum { kBefore = 2, kWith = 3, kAfter = 2 };

static void lap(uint32_t ours) {
  profile.instructions[profile.current] += device_clock_instructions() - profile.ours - ours;
  profile.ours = 0;
  device_clock_reset();
}

// The clock has stopped: the step is done, or what was before the first.
void bench_step_done(void) {
  lap(kBefore);
  profile.current = kNone;
}

// The clock has stopped: it has been chosen who goes on, nobody if `op` is NULL.
void bench_step_chosen(const arenafit_walk* walk, const arenafit_operator* op) {
  lap(kWith);
  profile.ours = kAfter;
  if (op != NULL) {
    profile.current = kFirst[profile.segment] + (uint32_t)(op - walk->parts.operators);
  } else {
    profile.segment++;
  }
}

static void print_outputs(void) {
  char hex[2 * kBytesPerLine + 1];
  for (uint32_t k = 0; k < kOutputs; k++) {
    const uint8_t* bytes = arena + kOutputPorts[k].offset;
    for (uint32_t done = 0; done < kOutputPorts[k].bytes;) {
      char* at = hex;
      for (; at != hex + sizeof hex - 1 && done < kOutputPorts[k].bytes; done++) {
        *at++ = "0123456789abcdef"[bytes[done] >> 4];
        *at++ = "0123456789abcdef"[bytes[done] & 15];
      }
      *at = '\0';
      device_print("OUT ");
      device_print(hex);
      device_print("\n");
    }
  }
}

static void run(const uint8_t* input) {
  for (uint32_t k = 0; k < kInputs; k++) {
    memcpy(arena + kInputPorts[k].offset, input, kInputPorts[k].bytes);
    input += kInputPorts[k].bytes;
  }
  memset(&profile, 0, sizeof profile);
  profile.current = kNone;
  device_clock_reset();
  const uint32_t stack = bench_measure(arena);
  lap(0);
  uint64_t sum = 0;
  for (uint32_t i = 0; i <= kOperators; i++) sum += profile.instructions[i];
  device_print_field("RAN instructions=", (int64_t)sum);
  device_print_field(" stack=", stack);
  device_print_field("\nINTERPRETER ", (int64_t)profile.instructions[kNone]);
  for (uint32_t i = 0; i < kOperators; i++) {
    device_print_field("\nOPERATOR ", (int64_t)profile.instructions[i]);
  }
  device_print("\n");
  print_outputs();
}

int main(void) {
  const arenafit_segment_status status = net_check(arena);
  if (status != ARENAFIT_SEGMENT_OK) {
    device_print(arenafit_segment_text(status));
    device_print("\n");
    return 1;
  }
  // The job: how many invocations, in 16 bytes, and their inputs in a row.
  const uint8_t* job = (const uint8_t*)JOB_ADDRESS;
  uint32_t invocations;
  memcpy(&invocations, job, sizeof invocations);
  for (uint32_t i = 0; i < invocations; i++) run(job + 16 + i * kInputBytes);
  device_print("END\n");
  return 0;
}
