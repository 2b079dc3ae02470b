// Runs a program's tests one after the other; tools/target/runner.py reads what it prints:
//
//   RUN name
//   file:line: an expectation that failed
//   TEST name PASS|FAIL instructions=N ticks=N stack=BYTES
//   DONE passed=N failed=N
#include "harness.h"

enum { kMostMessages = 5 };  // of one test

static struct {
  int failures;  // expectations of the running test that did not hold
  bool measured;
  uint64_t instructions;
  uint64_t ticks;
  uint32_t stack;
} running;

// Counts a failure; true if it is to be told, and then has told where.
static bool failure(const char* file, int line) {
  running.failures++;
  if (running.failures > kMostMessages) return false;
  device_print(file);
  device_print_field(":", line);
  device_print(": ");
  return true;
}

void harness_expect(bool holds, const char* condition, const char* file, int line) {
  if (holds || !failure(file, line)) return;
  device_print(condition);
  device_print(" does not hold\n");
}

void harness_expect_eq(int64_t expected, int64_t actual, const char* what, const char* file,
                       int line) {
  if (expected == actual || !failure(file, line)) return;
  device_print(what);
  device_print_field(" is ", actual);
  device_print_field(", expected ", expected);
  device_print("\n");
}

void harness_expect_bytes(const void* expected, const void* actual, size_t count, const char* what,
                          const char* file, int line) {
  const uint8_t* want = expected;
  const uint8_t* have = actual;
  size_t at = 0, different = 0;
  for (size_t i = count; i-- > 0;) {
    if (want[i] == have[i]) continue;
    at = i;
    different++;
  }
  if (different == 0 || !failure(file, line)) return;
  device_print(what);
  device_print_field(" differs in ", (int64_t)different);
  device_print_field(" of ", (int64_t)count);
  device_print_field(" bytes; byte ", (int64_t)at);
  device_print_field(" is ", have[at]);
  device_print_field(", expected ", want[at]);
  device_print("\n");
}

void harness_measured(uint32_t stack) {
  running.measured = true;
  running.instructions += device_clock_instructions();
  running.ticks += device_clock_ticks();
  if (stack > running.stack) running.stack = stack;
}

// The linker script gathers what TEST() defines.
extern const harness_test __tests_start[], __tests_end[];

int main(void) {
  int passed = 0, failed = 0;
  // Backwards: gcc writes variables out last first, and reports read best in the source's order.
  for (const harness_test* test = __tests_end; test-- > __tests_start;) {
    device_print("RUN ");
    device_print(test->name);
    device_print("\n");
    running.failures = 0;
    running.measured = false;
    running.instructions = 0;
    running.ticks = 0;
    running.stack = 0;

    device_clock_reset();
    device_stack_paint();
    device_clock_start();
    test->body();
    device_clock_stop();
    const uint32_t stack = device_stack_used();
    if (!running.measured) harness_measured(stack);

    device_print("TEST ");
    device_print(test->name);
    device_print(running.failures == 0 ? " PASS" : " FAIL");
    device_print_field(" instructions=", (int64_t)running.instructions);
    device_print_field(" ticks=", (int64_t)running.ticks);
    device_print_field(" stack=", running.stack);
    device_print("\n");
    *(running.failures == 0 ? &passed : &failed) += 1;
  }
  device_print_field("DONE passed=", passed);
  device_print_field(" failed=", failed);
  device_print("\n");
  return failed == 0 ? 0 : 1;
}
