/* From power-on to main(), and what C cannot say: the vector table, the stack's paint.
 *
 * Two stacks: exceptions have one of their own (MSP), so that the fault that reports an overflow
 * of the program's stack (PSP) has somewhere to stand. The program's stack lies at the bottom of
 * RAM, and what runs over its end faults, instead of writing over variables: by the stack limit
 * of ARMv8-M, on ARMv7-M by the MPU (QEMU's boards let writes to nowhere pass).
 */
  .syntax unified
  .thumb

  .set PAINT, 0xC5C5C5C5
  .set CPACR, 0xE000ED88
  .set MPU_CTRL, 0xE000ED94
  .set SYST_CVR, 0xE000E018

  .section .vectors, "a"
  .word __handler_stack_top
  .word reset
  .rept 13 /* NMI, HardFault, MemManage, BusFault, UsageFault ... PendSV */
  .word fault
  .endr
  .word device_tick_wrapped /* SysTick */

  .text

  .global reset
  .thumb_func
  .type reset, %function
reset:
  ldr r0, =CPACR /* CP10 and CP11: the FPU, and with it MVE */
  ldr r1, [r0]
  orr r1, r1, #(0xF << 20)
  str r1, [r0]
  dsb
  isb

  ldr r0, =__stack_top
  msr psp, r0
#if __ARM_ARCH >= 8
  ldr r0, =__stack_bottom
  msr psplim, r0
#else
  ldr r0, =MPU_CTRL
  movs r1, #0
  str r1, [r0, #4] /* RNR: region 0 */
  ldr r1, =0x1C000000
  str r1, [r0, #8] /* RBAR: the 64 MiB below RAM ... */
  ldr r1, =(1 << 28 | 25 << 1 | 1)
  str r1, [r0, #12] /* RASR: ... are not to be accessed */
  movs r1, #5
  str r1, [r0] /* all else as without an MPU */
  dsb
  isb
#endif
  movs r0, #2
  msr control, r0
  isb
  bl device_stack_paint

  ldr r0, =__bss_start /* .data needs no copy: QEMU and the FVP load it where it is used */
  ldr r1, =__bss_end
  movs r2, #0
1:
  cmp r0, r1
  bhs 2f
  str r2, [r0], #4
  b 1b
2:
  bl initialise_monitor_handles
  bl __libc_init_array
  movs r0, #0 /* argc */
  movs r1, #0 /* argv */
  bl main
  bl exit
  udf #0 /* exit() came back */

  .thumb_func
  .type fault, %function
fault:
  mrs r0, psp
  b device_fault

/* The exception of SysTick. device.c takes these instructions off again. */
  .thumb_func
  .type device_tick_wrapped, %function
device_tick_wrapped:
  ldr r0, =device_clock_wraps
  ldr r1, [r0]
  adds r1, r1, #1
  str r1, [r0]
  bx lr

/* void device_clock_start(void): comes back after the first tick, when the counter is not 0. */
  .global device_clock_start
  .thumb_func
  .type device_clock_start, %function
device_clock_start:
  ldr r1, =SYST_CVR
  movs r0, #7 /* CSR: core clock, interrupt, enable */
  str r0, [r1, #-8]
1:
  ldr r0, [r1]
  cmp r0, #0
  beq 1b
  bx lr

/* void device_clock_stop(void): device_clock_samples = -sum of CLOCK_INSTRUCTIONS readings of the
 * counter, one every 7 instructions. device.c says what that is good for.
 */
  .global device_clock_stop
  .thumb_func
  .type device_clock_stop, %function
device_clock_stop:
  ldr r1, =SYST_CVR
  movs r0, #0
  movs r3, #CLOCK_INSTRUCTIONS
1:
  ldr r2, [r1]
  subs r0, r0, r2
  nop
  nop
  nop
  subs r3, r3, #1
  bne 1b
  movs r2, #4 /* CSR: the core clock even while stopped, or QEMU rescales the count */
  str r2, [r1, #-8]
  ldr r1, =device_clock_samples
  str r0, [r1]
  bx lr

/* void device_stack_paint(void): a C loop would become memset, and paint over itself. */
  .global device_stack_paint
  .thumb_func
  .type device_stack_paint, %function
device_stack_paint:
  ldr r0, =__stack_bottom
  ldr r1, =PAINT
  mov r2, sp
1:
  cmp r0, r2
  bhs 2f
  str r1, [r0], #4
  b 1b
2:
  bx lr

/* uint32_t device_stack_used(void): from the lowest word that lost its paint up to sp. */
  .global device_stack_used
  .thumb_func
  .type device_stack_used, %function
device_stack_used:
  ldr r0, =__stack_bottom
  ldr r1, =PAINT
  mov r2, sp
1:
  cmp r0, r2
  bhs 2f
  ldr r3, [r0]
  cmp r3, r1
  bne 2f
  adds r0, r0, #4
  b 1b
2:
  subs r0, r2, r0
  bx lr
