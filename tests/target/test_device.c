// The device itself: what start-up code, linker script and harness promise to every other test.
#include <arm_acle.h>
#include <stdlib.h>
#include <string.h>

#include "harness.h"
#ifdef __ARM_FEATURE_MVE
#include <arm_mve.h>
#endif

static volatile uint32_t initialised = 0x12345678;
static volatile uint8_t zeroed[1000];
static volatile int constructed;

__attribute__((constructor)) static void construct(void) { constructed = (int)initialised; }

TEST(initialised_data_has_its_values) { EXPECT_EQ(0x12345678, initialised); }

TEST(bss_is_zero) {
  for (size_t i = 0; i < sizeof zeroed; i++) EXPECT_EQ(0, zeroed[i]);
}

TEST(constructors_ran_after_data_was_there) { EXPECT_EQ(0x12345678, constructed); }

TEST(a_loop_of_2001_instructions_is_counted) {
  MEASURE { __asm__ volatile("mov r0, #1000\n 1: subs r0, r0, #1\n bne 1b\n" : : : "r0", "cc"); }
}

static int64_t instructions_of_a_loop(uint32_t rounds) {
  device_clock_reset();
  device_clock_start();
  __asm__ volatile("1: subs %0, %0, #1\n nop\n bne 1b\n" : "+r"(rounds) : : "cc");
  device_clock_stop();
  return (int64_t)device_clock_instructions();
}

TEST(each_instruction_counts_wherever_in_a_tick_it_falls) {
  const int64_t one = instructions_of_a_loop(1);
  for (uint32_t rounds = 2; rounds < 130; rounds++) {
    EXPECT_EQ(one + 3 * (rounds - 1), instructions_of_a_loop(rounds));
  }
}

TEST(what_counts_the_clocks_rounds_is_not_counted) {
  device_clock_reset();
  *(volatile uint32_t*)0xE000E014u = 99;  // a first round of 100 ticks, taken for one of 2^24
  device_clock_start();
  __asm__ volatile(
      "ldr r0, =0xE000E014\n ldr r1, =0xFFFFFF\n str r1, [r0]\n"  // reload: whole rounds again
      "ldr r0, =5000\n 1: subs r0, r0, #1\n bne 1b\n"
      :
      :
      : "r0", "r1", "cc", "memory");
  device_clock_stop();
  const uint64_t missing = (uint64_t)((1u << 24) - 100) * CLOCK_INSTRUCTIONS / CLOCK_TICKS;
  EXPECT_EQ(10004, device_clock_instructions() - missing);
}

TEST(the_clock_goes_on_counting_past_its_24_bits) {
  volatile uint32_t* const reload = (volatile uint32_t*)0xE000E014u;
  device_clock_reset();
  *reload = 99;  // a first round of 100 ticks: a whole one takes seconds
  device_clock_start();
  for (volatile int i = 0; i < 50; i++) {
  }
  *reload = 0xFFFFFF;
  __asm__ volatile("ldr r0, =100000\n 1: subs r0, r0, #1\n bne 1b\n" : : : "r0", "cc");
  device_clock_stop();
  const uint64_t ticks = device_clock_ticks();
  EXPECT(ticks > (1u << 24) + 200000 / 40 - 100);
  EXPECT(ticks < (1u << 24) + 200000 / 31 + 100);
  device_clock_reset();
  device_clock_start();
}

__attribute__((noinline)) static uint8_t touch_stack(size_t bytes) {
  volatile uint8_t block[bytes];
  for (size_t i = 0; i < bytes; i++) block[i] = 1;
  return block[0];
}

TEST(the_stack_mark_rises_by_what_a_function_uses) {
  touch_stack(16);  // not measured: the lazily saved registers of a first call
  device_stack_paint();
  touch_stack(64);
  const uint32_t little = device_stack_used();
  device_stack_paint();
  touch_stack(64 + 4000);
  EXPECT_EQ(4000, device_stack_used() - little);
  EXPECT(little >= 64 && little < 64 + 64);
}

TEST(a_function_that_uses_no_stack_leaves_no_mark) {
  MEASURE { __asm__ volatile("nop"); }
}

TEST(the_fpu_computes) {
  volatile float two = 2.0f, minus = -0.75f;
  EXPECT(__builtin_sqrtf(two) == 0x1.6a09e6p+0f);
  EXPECT(minus * two == -1.5f);
  volatile double wide = 2.0;
  EXPECT(__builtin_sqrt(wide) == 0x1.6a09e667f3bcdp+0);
}

TEST(the_simd_instructions_of_the_cpu_multiply_and_add) {
  static const int8_t a[19] = {1,  -2, 3,  -128, 127, 5,  6,   7,  8, 9,
                               10, 11, 12, 13,   14,  15, -16, 17, 18};
  static const int8_t b[19] = {9,  8,  7,  -128, -127, 4,  3,  2,  1, 0,
                               -1, -2, -3, -4,   -5,   -6, -7, -8, -9};
  int32_t expected = 0, actual = 0;
  for (volatile int i = 0; i < 19; i++) expected += a[i] * b[i];
#ifdef __ARM_FEATURE_MVE
  for (int32_t i = 0; i < 19; i += 16) {
    const mve_pred16_t rest = vctp8q((uint32_t)(19 - i));
    actual = vmladavaq_p_s8(actual, vldrbq_z_s8(a + i, rest), vldrbq_z_s8(b + i, rest), rest);
  }
#else
  for (int i = 0; i < 18; i += 2) {
    const int16x2_t x = (int16x2_t)((uint16_t)a[i] | (uint32_t)(uint16_t)a[i + 1] << 16);
    const int16x2_t y = (int16x2_t)((uint16_t)b[i] | (uint32_t)(uint16_t)b[i + 1] << 16);
    actual = __smlad(x, y, actual);
  }
  actual += a[18] * b[18];
#endif
  EXPECT_EQ(expected, actual);
}

TEST(memory_is_copied_at_any_alignment) {
  static uint8_t from[48], to[48], plain[48];
  for (size_t i = 0; i < sizeof from; i++) from[i] = (uint8_t)(i * 7 + 1);
  for (size_t source = 0; source < 8; source++) {
    for (size_t target = 0; target < 8; target++) {
      memset(to, 0, sizeof to);
      for (volatile size_t i = 0; i < sizeof plain; i++) plain[i] = 0;
      memcpy(to + target, from + source, 33);
      for (volatile size_t i = 0; i < 33; i++) plain[target + i] = from[source + i];
      EXPECT_BYTES(plain, to, sizeof to);
    }
  }
}

TEST(variables_are_aligned_as_they_ask) {
  static uint8_t loose;
  static _Alignas(16) uint8_t sixteen[3];
  static _Alignas(32) const uint8_t constant[3] = {1, 2, 3};
  volatile uint64_t local = 0;
  loose = (uint8_t)local;
  EXPECT_EQ(0, (uintptr_t)sixteen % 16);
  EXPECT_EQ(0, (uintptr_t)constant % 32);
  EXPECT_EQ(0, (uintptr_t)&local % 8);
  EXPECT_EQ(0, loose);
}

TEST(the_heap_ends_where_the_boards_ram_ends) {
  extern char __heap_top[];
  extern void* _sbrk(ptrdiff_t);
  const size_t room = (size_t)(__heap_top - (char*)_sbrk(0));
  volatile uint8_t* volatile most = malloc(room - 64);
  EXPECT(most != NULL);
  void* volatile more = malloc(64);
  EXPECT(more == NULL);
  if (most != NULL) most[room - 65] = 1;  // the last byte is really there
  free((void*)most);
}
