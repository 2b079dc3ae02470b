/* uint32_t bench_measure(void* arena): in assembler, so that nothing but the call is counted. */
  .syntax unified
  .thumb
  .text
  .global bench_measure
  .thumb_func
  .type bench_measure, %function
bench_measure:
  push {r4, lr}
  mov r4, r0
  bl device_stack_paint
  bl device_clock_start
  mov r0, r4
  bl net_run
  bl device_clock_stop
  bl device_stack_used
  pop {r4, pc}
