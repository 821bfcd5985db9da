/**
 * The Python wheels whose shared libraries stand under TensorFlow.js's Node binding: versions and SHA-256, pinned to
 * what the Python package index lists. Only the C API and the CUDA libraries are used.
 */
import { type Wheel, type WheelSet, wheel } from './setup/wheels.ts';

/** Python's version in the wheels' tags. */
const PYTHON = '3.11';

const GIGABYTE = 1e9;

/** Everything that TensorFlow 2.21's extra `and-cuda` asks for, at its newest within CUDA 12 and cuDNN 9. */
const CUDA_WHEELS: readonly Wheel[] = [
  wheel('nvidia-cublas-cu12', '12.9.3.13', 'd7d51055f161b317c7105ddaae90e71eda059026074ffef93cf7cde2886bfe72'),
  wheel('nvidia-cuda-cupti-cu12', '12.9.79', '096bcf334f13e1984ba36685ad4c1d6347db214de03dbb6eebb237b41d9d934f'),
  wheel('nvidia-cuda-nvcc-cu12', '12.9.86', '5d6a0d32fdc7ea39917c20065614ae93add6f577d840233237ff08e9a38f58f0'),
  wheel('nvidia-cuda-nvrtc-cu12', '12.9.86', '210cf05005a447e29214e9ce50851e83fc5f4358df8b453155d5e1918094dcb4'),
  wheel('nvidia-cuda-runtime-cu12', '12.9.79', '25bba2dfb01d48a9b59ca474a1ac43c6ebf7011f1b0b8cc44f54eb6ac48a96c3'),
  wheel('nvidia-cufft-cu12', '11.4.1.4', 'c67884f2a7d276b4b80eb56a79322a95df592ae5e765cf1243693365ccab4e28'),
  wheel('nvidia-curand-cu12', '10.3.10.19', '49b274db4780d421bd2ccd362e1415c13887c53c214f0d4b761752b8f9f6aa1e'),
  wheel('nvidia-cusolver-cu12', '11.7.5.82', '15da72d1340d29b5b3cf3fd100e3cd53421dde36002eda6ed93811af63c40d88'),
  wheel('nvidia-cusparse-cu12', '12.5.10.65', '73060ce019ac064a057267c585bf1fd5a353734151f87472ff02b2c5c9984e78'),
  wheel('nvidia-nccl-cu12', '2.32.3', 'bb94b2348e4861d5e8aa00b36c3d12d9bdf9c6369b82cbb723de0b582280a21c'),
  wheel('nvidia-nvjitlink-cu12', '12.9.86', 'e3f1171dbdc83c5932a45f0f4c99180a70de9bd2718c1ab77d14104f6d7147f9'),
  wheel('nvidia-cudnn-cu12', '9.28.0.42', '9ff58b7f36dacd0a93e89f8f2957b52466889217963701daa15e577317cfa375'),
];

const WHEEL_SETS: Readonly<Record<string, WheelSet>> = {
  'cpu-linux-x64': {
    wheels: [wheel('tensorflow-cpu', '2.21.0', '2b847d217b02ee7731ed91431daf3250daa0196c3c94614d23be27232e6e5b6c')],
    python: PYTHON,
    platforms: ['manylinux_2_27_x86_64'],
    diskSpace: 2 * GIGABYTE,
  },
  'cpu-linux-arm64': {
    wheels: [wheel('tensorflow', '2.21.0', '4b24aca16d527a3cf1c37f720c04c484c3d20f4d0fdfa98632ac8b9f3be6eb5c')],
    python: PYTHON,
    platforms: ['manylinux_2_27_aarch64'],
    diskSpace: 2 * GIGABYTE,
  },
  'gpu-linux-x64': {
    wheels: [
      wheel('tensorflow', '2.21.0', '9056fbc9ba04235810b71ae6cbd958a196e8804fb53bbcffbf3e23b56155f124'),
      ...CUDA_WHEELS,
    ],
    python: PYTHON,
    platforms: ['manylinux_2_27_x86_64', 'manylinux_2_25_x86_64', 'manylinux2014_x86_64', 'manylinux2010_x86_64'],
    diskSpace: 12 * GIGABYTE,
  },
};

/** The wheels for `kind` on this platform and architecture (Node's names), or `undefined` where none is known to work. */
export function wheelSet(kind: 'cpu' | 'gpu', platform: string, architecture: string): WheelSet | undefined {
  return WHEEL_SETS[`${kind}-${platform}-${architecture}`];
}
