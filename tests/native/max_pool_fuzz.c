/* ARENAFIT_MAX_POOL_2D on bytes that nobody vouches for: type, extents, options, placement.
 *
 * A fuzzer calls LLVMFuzzerTestOneInput. Without one (-DSTANDALONE) main() makes the inputs:
 * as many as its argument says, half of them close to sound. It prints how many were refused
 * and how many ran, which they do on blocks of exactly the tensors' size, for the sanitizers to
 * watch. What runs in one block, overlapping as far as the checks allow, must give the same.
 */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "arenafit/max_pool.h"

enum { kDims = 6, kHeader = 1 + kDims + 2, kLargest = 1 << 14 };

typedef struct {
  arenafit_max_pool_2d_params params;
  arenafit_type type;
  arenafit_dims in, out;
} call;

static long g_ran, g_refused;

static size_t bytes_of(const arenafit_dims* dims, arenafit_type type) {
  const size_t size = type == ARENAFIT_S8 ? 1 : type == ARENAFIT_S16 ? 2 : 4;
  return size * (size_t)dims->n * (size_t)dims->h * (size_t)dims->w * (size_t)dims->c;
}

static void run(const call* c, const unsigned char* in, unsigned char* out) {
  switch (c->type) {
    case ARENAFIT_S8:
      arenafit_max_pool_2d_s8(&c->params, &c->in, (const int8_t*)in, &c->out, (int8_t*)out);
      break;
    case ARENAFIT_S16:
      arenafit_max_pool_2d_s16(&c->params, &c->in, (const void*)in, &c->out, (void*)out);
      break;
    case ARENAFIT_F32:
      arenafit_max_pool_2d_f32(&c->params, &c->in, (const void*)in, &c->out, (void*)out);
      break;
  }
}

static void fill(unsigned char* data, size_t size, uint32_t seed) {
  for (size_t i = 0; i < size; ++i) {
    seed = seed * 1664525u + 1013904223u;
    data[i] = (unsigned char)(seed >> 24);
  }
}

static void check_overlapping(const call* c, const unsigned char* in, const unsigned char* out) {
  const size_t in_bytes = bytes_of(&c->in, c->type), out_bytes = bytes_of(&c->out, c->type);
  const int64_t least = arenafit_max_pool_2d_overlap(&c->params, c->type, &c->in, &c->out);
  const int64_t distance = least < -(int64_t)in_bytes ? -(int64_t)in_bytes : least;
  const size_t read = distance > 0 ? (size_t)distance : 0;
  const size_t write = distance < 0 ? (size_t)-distance : 0;
  const size_t end_in = read + in_bytes, end_out = write + out_bytes;
  unsigned char* block = malloc(end_in > end_out ? end_in : end_out);
  memcpy(block + read, in, in_bytes);
  if (arenafit_max_pool_2d_check_overlap(&c->params, c->type, &c->in, block + read, &c->out,
                                         block + write) != ARENAFIT_OK) {
    abort();
  }
  run(c, block + read, block + write);
  if (memcmp(block + write, out, out_bytes) != 0) {
    abort();
  }
  free(block);
}

int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size < kHeader) {
    return 0;
  }
  call c;
  c.type = (arenafit_type)(data[0] % 3);
  c.in = (arenafit_dims){data[1], data[2], data[3], data[4]};
  c.out = (arenafit_dims){data[7] ? data[1] : data[8], data[5], data[6], data[4]};
  int32_t claimed;
  if (arenafit_max_pool_2d_parse(data + kHeader, size - kHeader, c.type, &c.params, &claimed) !=
          ARENAFIT_OK ||
      arenafit_max_pool_2d_check(&c.params, c.type, &c.in, &c.out) != ARENAFIT_OK) {
    ++g_refused;
    return 0;
  }
  const size_t in_bytes = bytes_of(&c.in, c.type), out_bytes = bytes_of(&c.out, c.type);
  if (in_bytes > kLargest || out_bytes > kLargest) {
    return 0;
  }
  unsigned char* in = malloc(in_bytes);
  unsigned char* out = malloc(out_bytes);
  fill(in, in_bytes, data[0]);
  run(&c, in, out);
  check_overlapping(&c, in, out);
  free(in);
  free(out);
  ++g_ran;
  return 0;
}

#ifdef STANDALONE
static uint32_t g_state = 1;

static uint32_t draw(uint32_t below) {
  g_state = g_state * 1664525u + 1013904223u;
  return (g_state >> 8) % below;
}

static void put_word(uint8_t* at, uint32_t word) {
  for (int i = 0; i < 4; ++i) {
    at[i] = (uint8_t)(word >> 8 * i);
  }
}

int main(int argc, char** argv) {
  const long rounds = argc > 1 ? atol(argv[1]) : 1000;
  for (long i = 0; i < rounds; ++i) {
    uint8_t data[kHeader + ARENAFIT_MAX_POOL_2D_OPTIONS_SIZE];
    data[0] = (uint8_t)draw(3);
    for (int d = 1; d <= kDims; ++d) {
      data[d] = (uint8_t)(1 + draw(d == 1 ? 2 : d == 4 ? 36 : d < 4 ? 8 : 4));
    }
    data[7] = 1;
    data[8] = 0;
    /* filter, stride and padding of a size that often goes with the extents, and a range */
    const uint32_t words[] = {1,       1 + draw(5), 1 + draw(5), 1 + draw(4), 1 + draw(4),
                              draw(3), draw(3),     0xFFFFFFF0u, 0x00000010u, draw(9)};
    for (size_t w = 0; w < sizeof words / sizeof *words; ++w) {
      put_word(data + kHeader + 4 * w, words[w]);
    }
    if (data[0] == ARENAFIT_F32) {
      put_word(data + kHeader + 28, 0xBF800000u); /* -1.0 */
      put_word(data + kHeader + 32, 0x3F800000u); /* 1.0 */
    }
    size_t size = sizeof data;
    if (draw(2)) { /* damaged: a byte or a word of nonsense, or cut short */
      const uint32_t at = draw((uint32_t)sizeof data - 4);
      put_word(data + at, draw(2) ? draw(1u << 24) << 8 | draw(256) : draw(4) << draw(31));
      size -= draw(8) ? 0 : draw((uint32_t)sizeof data);
    }
    uint8_t* exact = malloc(size);
    memcpy(exact, data, size);
    LLVMFuzzerTestOneInput(exact, size);
    free(exact);
  }
  printf("refused %ld, ran %ld\n", g_refused, g_ran);
  return 0;
}
#endif
