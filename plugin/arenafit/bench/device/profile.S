/* const arenafit_operator* __wrap_arenafit_walk_next(arenafit_walk*): what the linker puts in the
 * place of arenafit_walk_next, which a segment's interpreter calls between any two steps of its
 * operators. So each step can be measured, in the very code that runs without measuring, too.
 *
 * Counted by the clock, and taken off again in bench.c, are the instructions with a name beside
 * them.
 */
  .syntax unified
  .thumb
  .text
  .global __wrap_arenafit_walk_next
  .thumb_func
  .type __wrap_arenafit_walk_next, %function
__wrap_arenafit_walk_next:
  push {r3, r4, r5, lr} /* kBefore */
  mov r4, r0            /* kBefore */
  bl device_clock_stop
  bl bench_step_done
  bl device_clock_start
  mov r0, r4                    /* kWith */
  bl __real_arenafit_walk_next  /* kWith */
  mov r5, r0                    /* kWith */
  bl device_clock_stop
  mov r0, r4
  mov r1, r5
  bl bench_step_chosen
  bl device_clock_start
  mov r0, r5            /* kAfter */
  pop {r3, r4, r5, pc}  /* kAfter */
