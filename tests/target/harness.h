// Tests on the bare device. A program is one file:
//
//   #include "harness.h"
//   TEST(two_and_two_are_four) { EXPECT_EQ(4, 2 + 2); }
//
// Each TEST is reported by name with the instructions that it took and the stack that it used;
// those of a MEASURE block alone, if it has one. README.md has more.
#ifndef TESTS_TARGET_HARNESS_H_
#define TESTS_TARGET_HARNESS_H_

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "device.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef struct {
  const char* name;
  void (*body)(void);
} harness_test;

// Defines a test. A test goes on after an expectation that fails, and fails at its end.
#define TEST(test)                                         \
  static void test(void);                                  \
  extern const harness_test harness_entry_##test;          \
  __attribute__((section(".tests"), used))                 \
  const harness_test harness_entry_##test = {#test, test}; \
  static void test(void)

#define EXPECT(condition) harness_expect((condition), #condition, __FILE__, __LINE__)

// Integers that fit an int64_t.
#define EXPECT_EQ(expected, actual) \
  harness_expect_eq((int64_t)(expected), (int64_t)(actual), #actual, __FILE__, __LINE__)

// The first `count` bytes are the same; says which is the first that is not.
#define EXPECT_BYTES(expected, actual, count) \
  harness_expect_bytes((expected), (actual), (count), #actual, __FILE__, __LINE__)

// MEASURE { kernel(...); }: instructions and stack of the block are reported instead of the whole
// test's; of several blocks in one test, the sum of instructions and the most stack. No return
// or break inside.
#define MEASURE                                                                      \
  for (bool harness_once =                                                           \
           (device_clock_reset(), device_stack_paint(), device_clock_start(), true); \
       harness_once;                                                                 \
       harness_once = (device_clock_stop(), harness_measured(device_stack_used()), false))

void harness_expect(bool holds, const char* condition, const char* file, int line);
void harness_expect_eq(int64_t expected, int64_t actual, const char* what, const char* file,
                       int line);
void harness_expect_bytes(const void* expected, const void* actual, size_t count, const char* what,
                          const char* file, int line);
void harness_measured(uint32_t stack);

#ifdef __cplusplus
}
#endif

#endif  // TESTS_TARGET_HARNESS_H_
