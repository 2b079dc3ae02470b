// What run_model.cc is given: one piece of memory that begins with this header. job.py writes it.
#ifndef ARENAFIT_TARGET_TFLM_PROGRAM_JOB_H_
#define ARENAFIT_TARGET_TFLM_PROGRAM_JOB_H_

#include <stdint.h>

// All in bytes, little-endian; offsets are from the header's start and multiples of 16.
struct Job {
  static constexpr uint32_t kMagic = 0x324a4641;  // "AFJ2"

  uint32_t magic;
  uint32_t planner;       // 0: TFLM's GreedyMemoryPlanner, 1: arenafit::MemoryPlanner
  uint32_t model;         // offset
  uint32_t inputs;        // offset: the graph inputs of each invocation, in a row
  uint32_t input_bytes;   // of one invocation
  uint32_t invocations;
  uint32_t arena;         // offset: behind all else
  uint32_t arena_bytes;
  uint32_t variables;     // the model's VAR_HANDLE operators
  uint32_t profile;       // 1: measure each operator, not the whole
};

// Runs a job; returns the program's exit status.
int RunJob(uint8_t* job);

// What the machine under it provides.
void Print(const char* text);
void StartMeasuring();
void StopMeasuring();
// Of what was between the two; 0 where that is not known.
uint64_t MeasuredInstructions();
uint32_t MeasuredStack();

#endif  // ARENAFIT_TARGET_TFLM_PROGRAM_JOB_H_
