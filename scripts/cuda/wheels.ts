/**
 * What `npm run setup:cuda` needs: ONNX Runtime's CUDA provider, and NVIDIA's libraries under it in groups that belong together. Versions and
 * SHA-256 are what the Python package index lists. The libraries are of CUDA 13.0, which every driver for CUDA 13 can run.
 */
import { type Wheel, type WheelSet, wheel } from '../setup/wheels.ts';

/** The version of onnxruntime-node whose provider the wheel holds: provider and runtime must be of the very same version. */
export const ONNX_RUNTIME_VERSION = '1.30.0';

/** The wheel that holds the CUDA provider. */
export const PROVIDER_WHEEL = wheel(
  'onnxruntime-gpu',
  ONNX_RUNTIME_VERSION,
  '6acc0f4b3d5ac5f2984432faa59dd8fcce6775f8b43a7140afa0f322c7a703b1',
  { download: 246_685_715, unpacked: 272_064_536 },
);

/** Libraries that must come from one place. */
export interface LibraryGroup {
  readonly name: string;
  readonly wheel: Wheel;
  /** Patterns of file names, in the order in which the libraries must be loaded; each has one file in a folder that holds the group. */
  readonly libraries: readonly RegExp[];
  /** Where the wheel puts them. */
  readonly wheelFolder: string;
  /** Whether the provider loads without it. */
  readonly optional?: boolean;
}

const CUDA_FOLDER = 'nvidia/cu13/lib';

/** NVIDIA's libraries under the provider, in the order in which they must be loaded. */
export const LIBRARY_GROUPS: readonly LibraryGroup[] = [
  {
    name: 'CUDA runtime',
    wheel: wheel('nvidia-cuda-runtime', '13.0.96', '7f82250d7782aa23b6cfe765ecc7db554bd3c2870c43f3d1821f1d18aebf0548', {
      download: 2_243_632,
      unpacked: 704_288,
    }),
    libraries: [/^libcudart\.so\.13$/],
    wheelFolder: CUDA_FOLDER,
  },
  {
    name: 'cuBLAS',
    wheel: wheel('nvidia-cublas', '13.0.2.14', '0cf238ffdbe46c00cb9aa98e7bca745c223a5ca5a53e686ac8b3e5a08fe80d6c', {
      download: 420_882_912,
      unpacked: 593_973_192,
    }),
    libraries: [/^libcublasLt\.so\.13$/, /^libcublas\.so\.13$/],
    wheelFolder: CUDA_FOLDER,
  },
  {
    name: 'cuRAND',
    wheel: wheel('nvidia-curand', '10.4.0.35', '1aee33a5da6e1db083fe2b90082def8915f30f3248d5896bcec36a579d941bfc', {
      download: 59_544_258,
      unpacked: 132_698_328,
    }),
    libraries: [/^libcurand\.so\.10$/],
    wheelFolder: CUDA_FOLDER,
  },
  {
    name: 'NVRTC',
    wheel: wheel('nvidia-cuda-nvrtc', '13.0.88', 'ad9b6d2ead2435f11cbb6868809d2adeeee302e9bb94bcf0539c7a40d80e8575', {
      download: 90_215_200,
      unpacked: 113_718_680,
    }),
    // Its built-ins have their minor version in their name, and a second copy called "alt".
    libraries: [/^libnvrtc-builtins\.so\.13\.\d+$/, /^libnvrtc\.so\.13$/],
    wheelFolder: CUDA_FOLDER,
    optional: true,
  },
  {
    name: 'cuDNN',
    wheel: wheel('nvidia-cudnn-cu13', '9.14.0.64', '024ce8f7571d322991ecadbe82907df2e89b5f36597d03436413ec6dd7c9fe54', {
      download: 350_763_257,
      unpacked: 472_438_024,
    }),
    // The first finds the others beside itself, when it needs them.
    libraries: [/^libcudnn\.so\.9$/],
    wheelFolder: 'nvidia/cudnn/lib',
    optional: true,
  },
];

/** The driver's library, which no wheel has; loaded first where the linker does not find it by its name. */
export const DRIVER_LIBRARY = 'libcuda.so.1';

/** The wheels with the platform and the version of Python that pip must be told. */
export function cudaWheelSet(wheels: readonly Wheel[]): WheelSet {
  const bytes = wheels.reduce((sum, { size }) => sum + (size?.download ?? 0) + 2 * (size?.unpacked ?? 0), 0);
  return {
    wheels,
    python: '3.12',
    platforms: ['manylinux_2_28_x86_64', 'manylinux_2_27_x86_64', 'manylinux2014_x86_64', 'manylinux2010_x86_64'],
    diskSpace: bytes,
  };
}
