/* Max-pooling that may write its output over its input.
 *
 * Images are NHWC. Output pixels are made in raster order; of each, ARENAFIT_MAX_POOL_BLOCK
 * channels at a time are read from the whole window before one is written. So the output may
 * lie over the input wherever `arenafit_max_pool_2d_overlap` allows; in particular right upon
 * it where there is no padding before the image, and in many cases with padding.
 *
 * The results are those of TFLM's reference kernels, bit for bit.
 */
#ifndef ARENAFIT_MAX_POOL_H_
#define ARENAFIT_MAX_POOL_H_

#include <stddef.h>
#include <stdint.h>

#include "arenafit/status.h"
#include "arenafit/types.h"

#ifdef __cplusplus
extern "C" {
#endif

/* Channels that are read before the first of them is written. */
#define ARENAFIT_MAX_POOL_BLOCK 16

/* Bytes of the options of version 1, see arenafit_max_pool_2d_parse. */
#define ARENAFIT_MAX_POOL_2D_OPTIONS_SIZE 40

typedef struct {
  arenafit_tile filter;
  arenafit_tile stride;
  arenafit_tile pad; /* rows above and columns left of the image; no part of any maximum */
  arenafit_range clamp;
} arenafit_max_pool_2d_params;

/* Reads the options of the custom operator ARENAFIT_MAX_POOL_2D: ten little-endian words of
 * 32 bits, with no alignment.
 *
 *   0     version, 1
 *   1, 2  rows and columns of the filter
 *   3, 4  rows and columns of the stride
 *   5, 6  rows and columns of padding before the image
 *   7, 8  lowest and highest output: integers, or the bits of floats for ARENAFIT_F32
 *   9     `claimed`: the smallest offset(input) - offset(output) in bytes, negative ones
 *         included, that the file's plan relies on; 0 claims that in place is safe
 *
 * Checks size and version alone: what the words say is for arenafit_max_pool_2d_check.
 */
arenafit_status arenafit_max_pool_2d_parse(const uint8_t* options, size_t size, arenafit_type type,
                                           arenafit_max_pool_2d_params* params, int32_t* claimed);

/* Whether the other functions may be called with these arguments, which may come from a file
 * that nobody trusts. When it says ARENAFIT_OK, every window holds at least a pixel of the
 * image, and nothing outside the two tensors will be touched. */
arenafit_status arenafit_max_pool_2d_check(const arenafit_max_pool_2d_params* params,
                                           arenafit_type type, const arenafit_dims* input_dims,
                                           const arenafit_dims* output_dims);

/* The overlap distance in bytes: with offset(input) - offset(output) at least as large, no byte
 * is written that is still to be read; one less, and one is. INT32_MIN where nothing is read
 * after the first write. Takes checked arguments; costs a step an output row and column. */
int32_t arenafit_max_pool_2d_overlap(const arenafit_max_pool_2d_params* params, arenafit_type type,
                                     const arenafit_dims* input_dims,
                                     const arenafit_dims* output_dims);

/* Whether tensors at these addresses are disjoint or as far apart as the kernel needs. Takes
 * checked arguments. */
arenafit_status arenafit_max_pool_2d_check_overlap(
    const arenafit_max_pool_2d_params* params, arenafit_type type, const arenafit_dims* input_dims,
    const void* input, const arenafit_dims* output_dims, const void* output);

/* The kernels. They take checked arguments, and check nothing; they need no workspace. */
void arenafit_max_pool_2d_s8(const arenafit_max_pool_2d_params* params,
                             const arenafit_dims* input_dims, const int8_t* input,
                             const arenafit_dims* output_dims, int8_t* output);

void arenafit_max_pool_2d_s16(const arenafit_max_pool_2d_params* params,
                              const arenafit_dims* input_dims, const int16_t* input,
                              const arenafit_dims* output_dims, int16_t* output);

void arenafit_max_pool_2d_f32(const arenafit_max_pool_2d_params* params,
                              const arenafit_dims* input_dims, const float* input,
                              const arenafit_dims* output_dims, float* output);

#ifdef __cplusplus
}
#endif

#endif /* ARENAFIT_MAX_POOL_H_ */
