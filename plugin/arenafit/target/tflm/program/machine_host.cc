// run_model.cc on this machine: the job is the file that is its argument.
#include <stdio.h>
#include <string.h>

#include <new>

#include "job.h"

void Print(const char* text) { fputs(text, stdout); }

void StartMeasuring() {}

void StopMeasuring() {}

uint64_t MeasuredInstructions() { return 0; }

uint32_t MeasuredStack() { return 0; }

int main(int argc, char** argv) {
  FILE* file = argc == 2 ? fopen(argv[1], "rb") : nullptr;
  Job header;
  if (file == nullptr || fread(&header, sizeof header, 1, file) != 1) {
    fputs("usage: run_model JOB\n", stderr);
    return 2;
  }
  const size_t size = size_t{header.arena} + header.arena_bytes;
  uint8_t* job = static_cast<uint8_t*>(::operator new(size, std::align_val_t{16}));
  memset(job, 0, size);
  rewind(file);
  const size_t read = fread(job, 1, header.arena, file);
  fclose(file);
  const int status = read == header.arena ? RunJob(job) : 2;
  ::operator delete(job, std::align_val_t{16});
  return status;
}
