// run_model.cc on a bare Cortex-M: the job lies at JOB_ADDRESS when the program starts.
#include "device.h"
#include "job.h"

static uint32_t stack;

void Print(const char* text) { device_print(text); }

void StartMeasuring() {
  device_clock_reset();
  device_stack_paint();
  device_clock_start();
}

void StopMeasuring() {
  device_clock_stop();
  stack = device_stack_used();
}

uint64_t MeasuredInstructions() { return device_clock_instructions(); }

uint32_t MeasuredStack() { return stack; }

int main() { return RunJob(reinterpret_cast<uint8_t*>(JOB_ADDRESS)); }
