// What the fuzz targets share: a check that ends the run, and words read from and put into bytes.
//
// Each target is a libFuzzer program: LLVMFuzzerTestOneInput runs the code under test on bytes that
// nobody vouches for, in heap blocks of exactly the size it is told, and holds what it answers
// against a restatement that is too simple to be wrong. LLVMFuzzerCustomMutator sees to it that
// many of the bytes nearly make sense: a plan with a wrong checksum shows nothing but that.
#ifndef ARENAFIT_TESTS_FUZZ_H_
#define ARENAFIT_TESTS_FUZZ_H_

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <memory>
#include <random>

extern "C" {
int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size);
size_t LLVMFuzzerCustomMutator(uint8_t* data, size_t size, size_t max_size, unsigned seed);
size_t LLVMFuzzerMutate(uint8_t* data, size_t size, size_t max_size);
}

namespace fuzz {

inline void Require(bool holds, const char* what) {
  if (!holds) {
    fprintf(stderr, "REQUIRED: %s\n", what);
    abort();
  }
}

// How often something came to pass; printed at the end, so that a test can tell a run that found
// nothing from one that looked at nothing.
class Counter {
 public:
  explicit Counter(const char* name) : name_(name) {}
  ~Counter() { fprintf(stderr, "COUNT: %s %ld\n", name_, count_); }
  void operator++() { ++count_; }

 private:
  const char* name_;
  long count_ = 0;
};

// A heap block of exactly `size` bytes: the sanitizer sees each step beyond either end.
using Block = std::unique_ptr<uint8_t[]>;

inline Block Copy(const void* data, size_t size) {
  Block block(new uint8_t[size]);
  if (size != 0) {
    memcpy(block.get(), data, size);
  }
  return block;
}

template <typename T>
T Load(const uint8_t* from) {
  T value;
  memcpy(&value, from, sizeof value);
  return value;
}

template <typename T>
void Store(uint8_t* to, T value) {
  memcpy(to, &value, sizeof value);
}

// Draws for the mutators; std::minstd_rand is the same everywhere, its distributions are not.
class Dice {
 public:
  explicit Dice(unsigned seed) : engine_(seed) {}
  uint32_t Below(uint32_t limit) { return static_cast<uint32_t>(engine_()) % limit; }
  bool OneIn(uint32_t n) { return Below(n) == 0; }

 private:
  std::minstd_rand engine_;
};

}  // namespace fuzz

#endif  // ARENAFIT_TESTS_FUZZ_H_
