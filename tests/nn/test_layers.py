# SPDX-License-Identifier: Apache-2.0
"""Every layer: its result, its gradients, its running statistics and its text."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
import pytest

import candelabra as cb
import candelabra.nn as nn

# (layer, inputs, shape of the result, checksums, text). Checksums are weighted sums: of the result, of the gradient of
# each input and parameter, and of each buffer; recorded from PyTorch 2.13 in float64. Inputs that are texts hold class
# numbers, signs or probabilities. Children of a text stand on lines of their own.
# fmt: off
RECORDED: list[tuple[str, list[Any], list[int], list[float], str]] = [
    ('Linear(3, 2)', [(4, 3)], [4, 2], [-0.199494493, -0.0351485815, -0.615588378, -0.446894404], 'Linear(in_features=3, out_features=2, bias=True)'),
    ('Linear(3, 2, bias=False)', [(3,)], [2], [0.420946753, 0.576137949, -0.809364246], 'Linear(in_features=3, out_features=2, bias=False)'),
    ('Bilinear(3, 2, 4)', [(5, 3), (5, 2)], [5, 4], [3.29145928, 0.754451127, 0.581046648, 0.982922225, 5.31487983], 'Bilinear(in1_features=3, in2_features=2, out_features=4, bias=True)'),
    ('Conv1d(4, 6, 3, stride=2, padding=1, dilation=2, groups=2)', [(2, 4, 9)], [2, 6, 4], [-0.412451854, -1.02733331, -1.59244143, 0.00261405645], 'Conv1d(4, 6, kernel_size=(3,), stride=(2,), padding=(1,), dilation=(2,), groups=2)'),
    ('Conv2d(2, 3, (2, 3), padding="same")', [(2, 2, 5, 6)], [2, 3, 5, 6], [5.77753712, 4.09559422, 7.21027523, -0.270994256], 'Conv2d(2, 3, kernel_size=(2, 3), stride=(1, 1), padding=same)'),
    ('Conv2d(2, 3, 3, padding=1, padding_mode="reflect")', [(2, 2, 5, 6)], [2, 3, 5, 6], [-60.3209304, -14.9210694, -115.428855, -0.270994256], 'Conv2d(2, 3, kernel_size=(3, 3), stride=(1, 1), padding=(1, 1), padding_mode=reflect)'),
    ('Conv2d(2, 3, 3, padding=(2, 1), padding_mode="circular", bias=False)', [(2, 2, 5, 6)], [2, 3, 7, 6], [17.1237434, 36.7873107, -32.4021559], 'Conv2d(2, 3, kernel_size=(3, 3), stride=(1, 1), padding=(2, 1), bias=False, padding_mode=circular)'),
    ('Conv1d(2, 3, 4, padding="same", padding_mode="replicate")', [(2, 2, 7)], [2, 3, 7], [-25.0035692, -18.1975792, -25.7122204, -0.268320467], 'Conv1d(2, 3, kernel_size=(4,), stride=(1,), padding=same, padding_mode=replicate)'),
    ('Conv3d(1, 2, 2)', [(1, 1, 3, 4, 3)], [1, 2, 2, 3, 2], [0.132802106, 0.28282401, -0.098234465, -0.294310428], 'Conv3d(1, 2, kernel_size=(2, 2, 2), stride=(1, 1, 1))'),
    ('ConvTranspose1d(2, 4, 3, stride=2, padding=1, output_padding=1, groups=2)', [(2, 2, 5)], [2, 4, 10], [-0.529888182, 0.0329314598, -0.0716884413, -1.99689354], 'ConvTranspose1d(2, 4, kernel_size=(3,), stride=(2,), padding=(1,), output_padding=(1,), groups=2)'),
    ('ConvTranspose2d(2, 3, 3, stride=2)', [(1, 2, 4, 3)], [1, 3, 9, 7], [-0.5953111, 1.30568549, -4.11533803, -0.106789805], 'ConvTranspose2d(2, 3, kernel_size=(3, 3), stride=(2, 2))'),
    ('ConvTranspose3d(1, 2, 2)', [(1, 1, 2, 3, 2)], [1, 2, 3, 4, 3], [-0.210058305, 0.115301373, 0.0757050436, -0.91176713], 'ConvTranspose3d(1, 2, kernel_size=(2, 2, 2), stride=(1, 1, 1))'),
    ('MaxPool1d(3, stride=2, padding=1)', [(2, 3, 8)], [2, 3, 4], [0.0398471828, -0.772055125], 'MaxPool1d(kernel_size=3, stride=2, padding=1, dilation=1, ceil_mode=False)'),
    ('MaxPool2d((2, 3), dilation=2)', [(1, 2, 7, 9)], [1, 2, 3, 2], [0.947594916, 0.0381352257], 'MaxPool2d(kernel_size=(2, 3), stride=(2, 3), padding=0, dilation=2, ceil_mode=False)'),
    ('MaxPool3d(2)', [(1, 2, 4, 4, 4)], [1, 2, 2, 2, 2], [1.89721211, -0.206426181], 'MaxPool3d(kernel_size=2, stride=2, padding=0, dilation=1, ceil_mode=False)'),
    ('AvgPool1d(3, ceil_mode=True)', [(2, 3, 8)], [2, 3, 3], [0.162158735, -2.57758995], 'AvgPool1d(kernel_size=(3,), stride=(3,), padding=(0,))'),
    ('AvgPool2d(3, 2, 1, count_include_pad=False)', [(1, 2, 7, 9)], [1, 2, 4, 5], [0.0935548799, -0.0298966763], 'AvgPool2d(kernel_size=3, stride=2, padding=1)'),
    ('AvgPool3d(2, divisor_override=3)', [(1, 1, 4, 4, 4)], [1, 1, 2, 2, 2], [1.35820049, 0.917508622], 'AvgPool3d(kernel_size=2, stride=2, padding=0)'),
    ('AdaptiveAvgPool1d(3)', [(1, 2, 7)], [1, 2, 3], [0.0859731041, 0.199017304], 'AdaptiveAvgPool1d(output_size=3)'),
    ('AdaptiveAvgPool2d((3, None))', [(1, 2, 7, 4)], [1, 2, 3, 4], [-1.98339604, -4.91736805], 'AdaptiveAvgPool2d(output_size=(3, None))'),
    ('AdaptiveAvgPool3d(2)', [(1, 1, 3, 4, 5)], [1, 1, 2, 2, 2], [0.0362840966, 0.0169113928], 'AdaptiveAvgPool3d(output_size=2)'),
    ('AdaptiveMaxPool1d(3)', [(1, 2, 7)], [1, 2, 3], [0.58886757, 1.01479091], 'AdaptiveMaxPool1d(output_size=3)'),
    ('AdaptiveMaxPool2d((3, None))', [(1, 2, 7, 4)], [1, 2, 3, 4], [-1.66562129, -4.40844326], 'AdaptiveMaxPool2d(output_size=(3, None))'),
    ('AdaptiveMaxPool3d(2)', [(1, 1, 3, 4, 5)], [1, 1, 2, 2, 2], [0.614332753, 0.178064608], 'AdaptiveMaxPool3d(output_size=2)'),
    ('LPPool1d(2, 3)', [(1, 2, 7)], [1, 2, 2], [0.374266846, -0.162039488], 'LPPool1d(norm_type=2, kernel_size=3, stride=None, ceil_mode=False)'),
    ('LPPool2d(2, 2)', [(1, 2, 4, 4)], [1, 2, 2, 2], [0.883083631, 0.620925946], 'LPPool2d(norm_type=2, kernel_size=2, stride=None, ceil_mode=False)'),
    ('LPPool3d(2, 2)', [(1, 1, 4, 4, 2)], [1, 1, 2, 2, 1], [0.675961131, 0.400287216], 'LPPool3d(norm_type=2, kernel_size=2, stride=None, ceil_mode=False)'),
    ('BatchNorm1d(3)', [(4, 3)], [4, 3], [-1.12477978, -0.025649289, -1.15558969, -1.1519941, 0.41322086, -0.241193871, 1], 'BatchNorm1d(3, eps=1e-05, momentum=0.1, affine=True, bias=True, track_running_stats=True)'),
    ('BatchNorm1d(3, momentum=None)', [(4, 3, 5)], [4, 3, 5], [-2.31441318, -0.0528742181, -10.038674, 4.42667748, 0.218790279, -0.384042463, 1], 'BatchNorm1d(3, eps=1e-05, momentum=None, affine=True, bias=True, track_running_stats=True)'),
    ('BatchNorm2d(2, affine=False)', [(3, 2, 4, 4)], [3, 2, 4, 4], [67.8864862, 0.906016626, 0.290830381, -0.582726197, 1], 'BatchNorm2d(2, eps=1e-05, momentum=0.1, affine=False, bias=False, track_running_stats=True)'),
    ('BatchNorm3d(2, track_running_stats=False)', [(2, 2, 2, 2, 3)], [2, 2, 2, 2, 3], [-1.45851494, -0.0474527416, -19.4237563, 0.0343846591], 'BatchNorm3d(2, eps=1e-05, momentum=0.1, affine=True, bias=True, track_running_stats=False)'),
    ('BatchNorm2d(2, eps=0.1, momentum=0.3).eval()', [(3, 2, 4, 4)], [3, 2, 4, 4], [-5.63502551, -3.54960101, -39.6568652, 0.088217361, 0.253066031, -0.484499401, 0], 'BatchNorm2d(2, eps=0.1, momentum=0.3, affine=True, bias=True, track_running_stats=True)'),
    ('LayerNorm((3, 4))', [(2, 3, 4)], [2, 3, 4], [2.19433163, 0.179186796, -0.13052378, 3.89201651], 'LayerNorm((3, 4), eps=1e-05, elementwise_affine=True, bias=True)'),
    ('LayerNorm(4, bias=False)', [(2, 3, 4)], [2, 3, 4], [0.261398969, 0.0573822408, 0.148557455], 'LayerNorm((4,), eps=1e-05, elementwise_affine=True, bias=False)'),
    ('LayerNorm(4, elementwise_affine=False)', [(2, 3, 4)], [2, 3, 4], [16.8933621, 0.225606198], 'LayerNorm((4,), eps=1e-05, elementwise_affine=False, bias=False)'),
    ('GroupNorm(2, 4)', [(3, 4, 5)], [3, 4, 5], [2.98181057, 0.189940873, 2.0811373, 0.533939762], 'GroupNorm(2, 4, eps=1e-05, affine=True, bias=True)'),
    ('InstanceNorm1d(3)', [(3, 5)], [3, 5], [10.3129279, 0.137072269], 'InstanceNorm1d(3, eps=1e-05, momentum=0.1, affine=False, bias=False, track_running_stats=False)'),
    ('InstanceNorm2d(2, affine=True, track_running_stats=True)', [(3, 2, 4, 4)], [3, 2, 4, 4], [-3.9723673, -0.0517202, -39.7723418, 0.088217361, 0.227942758, -0.498469325, 0], 'InstanceNorm2d(2, eps=1e-05, momentum=0.1, affine=True, bias=True, track_running_stats=True)'),
    ('InstanceNorm3d(2, affine=True)', [(2, 2, 2, 3, 3)], [2, 2, 2, 3, 3], [-3.37613229, -0.0390744662, -29.8862, -0.731559153], 'InstanceNorm3d(2, eps=1e-05, momentum=0.1, affine=True, bias=True, track_running_stats=False)'),
    ('InstanceNorm1d(3, track_running_stats=True).eval()', [(2, 3, 5)], [2, 3, 5], [24.0058909, 16.4253497, 0.226087094, -0.419167222, 0], 'InstanceNorm1d(3, eps=1e-05, momentum=0.1, affine=False, bias=False, track_running_stats=True)'),
    ('RMSNorm(4)', [(3, 4)], [3, 4], [0.858750373, -0.0239084592, 0.682970934], 'RMSNorm((4,), eps=None, elementwise_affine=True)'),
    ('RMSNorm((3, 4), eps=0.1)', [(2, 3, 4)], [2, 3, 4], [0.391084464, 0.0302721754, -0.203660324], 'RMSNorm((3, 4), eps=0.1, elementwise_affine=True)'),
    ('LocalResponseNorm(3, alpha=0.5)', [(2, 5, 4)], [2, 5, 4], [16.766069, 7.01033886], 'LocalResponseNorm(3, alpha=0.5, beta=0.75, k=1.0)'),
    ('Dropout(0.3).eval()', [(3, 4)], [3, 4], [6.49881538, 4.08658295], 'Dropout(p=0.3, inplace=False)'),
    ('AlphaDropout(0.3).eval()', [(3, 4)], [3, 4], [6.49881538, 4.08658295], 'AlphaDropout(p=0.3, inplace=False)'),
    ('Dropout2d(0.0)', [(2, 3, 4, 4)], [2, 3, 4, 4], [48.0154246, 29.7883637], 'Dropout2d(p=0.0, inplace=False)'),
    ('Flatten()', [(2, 3, 4)], [2, 12], [12.0014325, 7.44512933], 'Flatten(start_dim=1, end_dim=-1)'),
    ('Unflatten(1, (2, -1))', [(2, 6, 3)], [2, 2, 3, 3], [18.4931676, 11.5594781], 'Unflatten(dim=1, unflattened_size=(2, -1))'),
    ('CELU(0.7)', [(3, 4)], [3, 4], [5.3737405, 2.94748088], 'CELU(alpha=0.7)'),
    ('ELU(0.7)', [(3, 4)], [3, 4], [5.06553559, 2.93304442], 'ELU(alpha=0.7)'),
    ('GELU()', [(3, 4)], [3, 4], [3.59605458, 2.44602586], "GELU(approximate='none')"),
    ('GELU("tanh")', [(3, 4)], [3, 4], [3.59589973, 2.44579211], "GELU(approximate='tanh')"),
    ('GLU(0)', [(4, 3)], [2, 3], [1.5587308, 1.21128271], 'GLU(dim=0)'),
    ('Hardshrink(0.3)', [(3, 4)], [3, 4], [6.40881231, 4.11490732], 'Hardshrink(0.3)'),
    ('Hardsigmoid()', [(3, 4)], [3, 4], [1.54814158, 0.681097178], 'Hardsigmoid()'),
    ('Hardswish()', [(3, 4)], [3, 4], [3.41881264, 2.27283963], 'Hardswish()'),
    ('Hardtanh(-0.4, 0.6)', [(3, 4)], [3, 4], [3.96400861, 0.167035366], 'Hardtanh(min_val=-0.4, max_val=0.6)'),
    ('LeakyReLU(0.2)', [(3, 4)], [3, 4], [4.30588385, 2.74239126], 'LeakyReLU(negative_slope=0.2)'),
    ('LogSigmoid()', [(3, 4)], [3, 4], [2.48271512, 1.88410728], 'LogSigmoid()'),
    ('LogSoftmax(1)', [(3, 4)], [3, 4], [4.9086585, 3.77621316], 'LogSoftmax(dim=1)'),
    ('Mish()', [(3, 4)], [3, 4], [4.1057032, 2.65060429], 'Mish()'),
    ('ReLU()', [(3, 4)], [3, 4], [3.75765097, 2.40634334], 'ReLU()'),
    ('ReLU6()', [(3, 4)], [3, 4], [3.75765097, 2.40634334], 'ReLU6()'),
    ('RReLU().eval()', [(3, 4)], [3, 4], [4.38583448, 2.79139825], 'RReLU(lower=0.125, upper=0.3333333333333333)'),
    ('SELU()', [(3, 4)], [3, 4], [7.23301198, 3.8511942], 'SELU()'),
    ('SiLU()', [(3, 4)], [3, 4], [3.48415187, 2.33809573], 'SiLU()'),
    ('Sigmoid()', [(3, 4)], [3, 4], [1.99404168, 0.853548095], 'Sigmoid()'),
    ('Softmax(0)', [(3, 4)], [3, 4], [0.600202312, 0.173660361], 'Softmax(dim=0)'),
    ('Softmin(1)', [(3, 4)], [3, 4], [-1.22891294, -0.724821178], 'Softmin(dim=1)'),
    ('Softmax2d()', [(2, 3, 2, 2)], [2, 3, 2, 2], [0.986700347, 0.399677853], 'Softmax2d()'),
    ('Softplus(2.0)', [(3, 4)], [3, 4], [3.79202705, 2.30622978], 'Softplus(beta=2.0, threshold=20.0)'),
    ('Softshrink(0.3)', [(3, 4)], [3, 4], [4.08571929, 4.11490732], 'Softshrink(0.3)'),
    ('PixelShuffle(2)', [(1, 8, 2, 3)], [1, 2, 4, 6], [-2.50823111, 7.79441069], 'PixelShuffle(upscale_factor=2)'),
    ('PixelUnshuffle(2)', [(1, 2, 4, 2)], [1, 8, 2, 1], [1.09577956, 0.503772166], 'PixelUnshuffle(downscale_factor=2)'),
    ('ChannelShuffle(3)', [(1, 6, 2)], [1, 6, 2], [1.90010448, 1.19010556], 'ChannelShuffle(groups=3)'),
    ('Softsign()', [(3, 4)], [3, 4], [3.53177438, 1.25742992], 'Softsign()'),
    ('Tanh()', [(3, 4)], [3, 4], [5.25383435, 2.15769711], 'Tanh()'),
    ('Tanhshrink()', [(3, 4)], [3, 4], [1.24498102, 1.92888583], 'Tanhshrink()'),
    ('Threshold(0.1, 0.9)', [(3, 4)], [3, 4], [0.50950973, 2.40634334], 'Threshold(threshold=0.1, value=0.9)'),
    ('PReLU(3)', [(2, 3, 4)], [2, 3, 4], [5.98372526, 3.74339421, -1.22776959], 'PReLU(num_parameters=3)'),
    ('CosineSimilarity()', [(3, 4), (3, 4)], [3], [0.00656495366, -0.0886370393, 0.00519921074], 'CosineSimilarity()'),
    ('PairwiseDistance(p=1.5)', [(3, 4), (3, 4)], [3], [-0.159039709, -0.25650815, 0.25650815], 'PairwiseDistance()'),
    ('ConstantPad1d((1, 2), 3.5)', [(2, 4)], [2, 7], [0.0910079744, 3.34471131], 'ConstantPad1d(padding=(1, 2), value=3.5)'),
    ('ZeroPad2d((1, 0, -1, 2))', [(1, 2, 3, 4)], [1, 2, 4, 5], [-3.83097846, -0.424315442], 'ZeroPad2d((1, 0, -1, 2))'),
    ('ReflectionPad1d(2)', [(1, 2, 4)], [1, 2, 8], [-4.5905446, -4.42867094], 'ReflectionPad1d((2, 2))'),
    ('ReflectionPad2d((1, 2, 0, 1))', [(2, 3, 4)], [2, 4, 7], [3.93178369, 8.48988728], 'ReflectionPad2d((1, 2, 0, 1))'),
    ('ReplicationPad2d(2)', [(1, 2, 3, 4)], [1, 2, 7, 8], [1.02433348, 0.265739407], 'ReplicationPad2d((2, 2, 2, 2))'),
    ('ReplicationPad3d(1)', [(1, 1, 2, 2, 3)], [1, 1, 4, 4, 5], [-0.615500306, -1.93601571], 'ReplicationPad3d((1, 1, 1, 1, 1, 1))'),
    ('CircularPad1d((2, 1))', [(2, 3)], [2, 6], [-3.62428939, -1.76528906], 'CircularPad1d((2, 1))'),
    ('CircularPad2d(1)', [(1, 1, 3, 4)], [1, 1, 5, 6], [4.85164793, 1.24141341], 'CircularPad2d((1, 1, 1, 1))'),
    ('Upsample(scale_factor=2)', [(1, 2, 3, 3)], [1, 2, 6, 6], [3.44998091, 4.22806954], "Upsample(scale_factor=2.0, mode='nearest')"),
    ('Upsample(size=(5, 4), mode="bilinear")', [(1, 2, 3, 3)], [1, 2, 5, 4], [1.60548172, 0.0106486515], "Upsample(size=(5, 4), mode='bilinear')"),
    ('Upsample(scale_factor=1.7, mode="bilinear", align_corners=True)', [(1, 1, 4, 3)], [1, 1, 6, 5], [-0.0682394589, 0.291824437], "Upsample(scale_factor=1.7, mode='bilinear')"),
    ('Upsample(scale_factor=0.6, mode="bicubic")', [(1, 1, 7, 8)], [1, 1, 4, 4], [-0.121715886, 0.460959466], "Upsample(scale_factor=0.6, mode='bicubic')"),
    ('Upsample(scale_factor=1.3, mode="linear", recompute_scale_factor=True)', [(1, 1, 7)], [1, 1, 9], [0.140241058, 1.79876239], "Upsample(scale_factor=1.3, mode='linear')"),
    ('Upsample(size=3, mode="trilinear")', [(1, 1, 2, 4, 5)], [1, 1, 3, 3, 3], [0.0132386383, 0.0126318073], "Upsample(size=3, mode='trilinear')"),
    ('Upsample(scale_factor=1.5, mode="nearest")', [(1, 1, 7)], [1, 1, 10], [-0.0243514819, -0.320558132], "Upsample(scale_factor=1.5, mode='nearest')"),
    ('UpsamplingBilinear2d(scale_factor=2)', [(1, 1, 3, 2)], [1, 1, 6, 4], [0.0429742582, 0.694773019], "UpsamplingBilinear2d(scale_factor=2.0, mode='bilinear')"),
    ('L1Loss()', [(3, 4), (3, 4)], [], [0.532544703, -0.180188043, 0.180188043], 'L1Loss()'),
    ('MSELoss(reduction="sum")', [(3, 4), (3, 4)], [], [4.26106038, -3.87472156, 3.87472156], 'MSELoss()'),
    ('SmoothL1Loss(beta=0.3)', [(3, 4), (3, 4)], [], [0.394235746, -0.222122991, 0.222122991], 'SmoothL1Loss()'),
    ('HuberLoss(delta=0.2, reduction="none")', [(3, 4), (3, 4)], [3, 4], [0.0356521824, 0.12344054, -0.12344054], 'HuberLoss()'),
    ('BCEWithLogitsLoss(pos_weight=T(4))', [(3, 4), 'prob(3, 4)'], [], [0.495609322, -0.0879315947], 'BCEWithLogitsLoss()'),
    ('BCELoss(weight=T(4))', ['prob(3, 4)', 'prob2(3, 4)'], [], [0.470985764, 0.118953601], 'BCELoss()'),
    ('CrossEntropyLoss(label_smoothing=0.1, weight=T(4))', [(3, 4), 'idx(3)'], [], [1.70473465, 0.1821436], 'CrossEntropyLoss()'),
    ('CrossEntropyLoss(ignore_index=1, reduction="none")', [(2, 4, 3), 'idx(2, 3)'], [2, 3], [2.09963951, 0.812178117], 'CrossEntropyLoss()'),
    ('CrossEntropyLoss()', [(3, 4), 'prob(3, 4)'], [], [2.80955746, -0.292692186], 'CrossEntropyLoss()'),
    ('NLLLoss(weight=T(4), reduction="sum")', [(3, 4), 'idx(3)'], [], [0.0803416725, -0.400461661], 'NLLLoss()'),
    ('KLDivLoss(reduction="batchmean")', [(3, 4), 'prob(3, 4)'], [], [-1.66845342, -0.995845652], 'KLDivLoss()'),
    ('KLDivLoss(log_target=True, reduction="sum")', [(3, 4), (3, 4)], [], [1.71409041, -7.45490888, 9.97587106], 'KLDivLoss()'),
    ('PoissonNLLLoss(full=True)', [(3, 4), 'prob(3, 4)'], [], [1.18823175, 0.212515807], 'PoissonNLLLoss()'),
    ('GaussianNLLLoss(full=True)', [(3, 4), (3, 4), 'prob(3, 4)'], [], [1.40396104, -1.17521557, 1.17521557], 'GaussianNLLLoss()'),
    ('HingeEmbeddingLoss(0.3)', [(3, 4), 'sign(3, 4)'], [], [0.570622594, 0.603170063], 'HingeEmbeddingLoss()'),
    ('MarginRankingLoss(0.1)', [(3,), (3,), 'sign(3)'], [], [0.657384827, 0.0427453885, -0.0427453885], 'MarginRankingLoss()'),
    ('CosineEmbeddingLoss(0.1)', [(3, 4), (3, 4), 'sign(3)'], [], [0.519251585, 0.160500926, -0.00282194972], 'CosineEmbeddingLoss()'),
    ('SoftMarginLoss()', [(3, 4), 'sign(3, 4)'], [], [0.544685147, -0.23832169], 'SoftMarginLoss()'),
    ('MultiLabelSoftMarginLoss(weight=T(4))', [(3, 4), 'prob(3, 4)'], [], [0.381509337, -0.0482405753], 'MultiLabelSoftMarginLoss()'),
    ('MultiMarginLoss(p=2, weight=T(4))', [(3, 4), 'idx(3)'], [], [1.60782643, 0.593367162], 'MultiMarginLoss()'),
    ('TripletMarginLoss(swap=True)', [(3, 4), (3, 4), (3, 4)], [], [0.919037328, -0.543691102, -0.130046417, 0.673737519], 'TripletMarginLoss()'),
    ('TripletMarginWithDistanceLoss(margin=2.0)', [(3, 4), (3, 4), (3, 4)], [], [0.970188452, -0.638509421, 0.543691102, 0.0948183198], 'TripletMarginWithDistanceLoss(\n  (distance_function): PairwiseDistance()\n)'),
    ('Embedding(5, 3, padding_idx=1)', ['idx(4)'], [4, 3], [0.214780711, 1.64824955], 'Embedding(5, 3, padding_idx=1)'),
    ('Embedding(5, 3, max_norm=0.5)', ['idx(2, 2)'], [2, 2, 3], [0.319472486, 0.219794444], 'Embedding(5, 3, max_norm=0.5)'),
    ('Sequential(Linear(3, 4), Tanh(), Linear(4, 1))', [(2, 3)], [2, 1], [-0.529623044, -0.399434587, 0.634193047, 0.368565363, -0.736904999, -0.208074043], 'Sequential(\n  (0): Linear(in_features=3, out_features=4, bias=True)\n  (1): Tanh()\n  (2): Linear(in_features=4, out_features=1, bias=True)\n)'),
]
# fmt: on


def wave(shape: tuple[int, ...], phase: int) -> np.ndarray[Any, Any]:
    return np.cos(np.arange(int(np.prod(shape))) * 1.7 + phase * 0.9).reshape(shape)


def magnitudes(n: int) -> cb.Tensor:
    return cb.tensor(np.abs(wave((n,), 3)))


def operand(spec: Any, phase: int) -> cb.Tensor:
    if isinstance(spec, tuple):
        return cb.tensor(wave(spec, phase)).requires_grad_()
    kind, sizes = spec[:-1].split("(")
    shape = tuple(int(s) for s in sizes.split(","))
    values = wave(shape, phase)
    if kind == "idx":
        return cb.tensor(np.arange(values.size).reshape(shape) * 2 % 3)
    if kind == "sign":
        return cb.tensor(np.sign(values))
    return cb.tensor(values * 0.45 + 0.5).requires_grad_(kind == "prob" and phase == 0)


def made(text: str) -> nn.Module:
    """The layer in float64, with parameters and running statistics on waves."""
    layer = eval(text, {**vars(nn), "T": magnitudes}).double()
    statistics = [(name, b) for name, b in layer.named_buffers() if "running" in name]
    for phase, (name, tensor) in enumerate([*layer.named_parameters(), *statistics]):
        values = wave(tuple(tensor.shape), phase + 1) * 0.5
        tensor.data = cb.tensor(np.abs(values) + 0.1 if "var" in name else values)
    return layer


def checksum(tensor: cb.Tensor, phase: int) -> float:
    return (tensor.detach() * cb.tensor(wave(tuple(tensor.shape), phase))).sum().item()


@pytest.mark.parametrize(("text", "inputs", "shape", "sums", "shown"), RECORDED, ids=[row[0] for row in RECORDED])
def test_layer(text: str, inputs: list[Any], shape: list[int], sums: list[float], shown: str) -> None:
    layer = made(text)
    args = [operand(spec, phase) for phase, spec in enumerate(inputs)]

    out = layer(*args)
    (out * cb.tensor(wave(tuple(out.shape), 7))).sum().backward()

    found = [checksum(out, 7)]
    found += [checksum(a.grad, 8) for a in args if a.requires_grad]
    found += [checksum(p.grad, 9) for p in layer.parameters() if p.grad is not None]
    for name, buffer in layer.named_buffers():
        if "running" in name:
            found.append(checksum(buffer, 9))
        elif "num_batches" in name:
            found.append(buffer.item())
    assert list(out.shape) == shape
    np.testing.assert_allclose(found, sums, rtol=1e-7, atol=1e-8)
    assert repr(layer) == shown


@pytest.mark.parametrize("dtype", [cb.float32, cb.float64, cb.bfloat16])
@pytest.mark.parametrize("make", [nn.Linear, nn.Conv2d, nn.Bilinear])
def test_dtype_and_device_reach_the_parameters(make: Any, dtype: Any) -> None:
    layer = make(*[3] * (2 if make is nn.Linear else 3), dtype=dtype, device="meta")
    assert {(p.dtype, p.device.type) for p in layer.parameters()} == {(dtype, "meta")}


def test_conv_transpose_output_size_chooses_the_padding() -> None:
    layer = nn.ConvTranspose2d(1, 1, 3, stride=2)
    x = cb.ones(1, 1, 4, 4)
    assert layer(x, output_size=(10, 9)).shape == (1, 1, 10, 9)
    with pytest.raises(cb.ArgumentError, match="output_size must be from"):
        layer(x, output_size=(8, 9))


def test_max_unpool_undoes_max_pool() -> None:
    x = cb.tensor([[[1.0, 5.0, 2.0, 3.0]]])
    pooled, places = nn.MaxPool1d(2, return_indices=True)(x)
    assert nn.MaxUnpool1d(2)(pooled, places).tolist() == [[[0.0, 5.0, 0.0, 3.0]]]


def test_dropout_scales_what_it_keeps_and_rests_in_evaluation() -> None:
    cb.manual_seed(0)
    layer = nn.Dropout(0.25)
    out = layer(cb.ones(1000))
    assert {round(v, 4) for v in out.tolist()} == {0.0, 1.3333}
    assert 0.2 < (out == 0).to(cb.float32).mean().item() < 0.3
    assert layer.eval()(cb.ones(3)).tolist() == [1.0, 1.0, 1.0]


def test_rrelu_draws_slopes_in_training() -> None:
    out = nn.RReLU(0.2, 0.4)(-cb.ones(500))
    assert -0.4 <= out.min().item() < out.max().item() <= -0.2


def test_gumbel_softmax_hard_is_one_hot_with_a_gradient() -> None:
    logits = cb.zeros(4, 3).requires_grad_()
    out = nn.functional.gumbel_softmax(logits, hard=True)
    np.testing.assert_allclose(np.sort(out.detach().numpy(), axis=1), [[0, 0, 1]] * 4, atol=1e-6)
    (out * cb.tensor([0.0, 1.0, 2.0])).sum().backward()
    assert logits.grad.abs().sum().item() > 0


@pytest.mark.parametrize(
    "name", ["ReLU", "ELU", "SELU", "CELU", "SiLU", "Mish", "Hardswish", "Hardtanh", "ReLU6", "LeakyReLU"]
)
def test_inplace_activation_writes_and_keeps_the_gradient(name: str) -> None:
    values = cb.tensor([-1.5, -0.3, 0.4, 2.0])
    x, y = values.clone().requires_grad_(), values.clone().requires_grad_()
    kind = getattr(nn, name)
    twice = x * 2
    out = kind(inplace=True)(twice)
    assert out is twice
    expected = kind()(y * 2)
    out.sum().backward()
    expected.sum().backward()
    np.testing.assert_allclose(out.detach().numpy(), expected.detach().numpy(), rtol=1e-6)
    np.testing.assert_allclose(x.grad.numpy(), y.grad.numpy(), rtol=1e-6)


def test_embedding_padding_row_is_zero_and_gets_no_gradient() -> None:
    layer = nn.Embedding(4, 2, padding_idx=-1)
    assert layer.weight[3].tolist() == [0.0, 0.0]
    layer(cb.tensor([0, 3])).sum().backward()
    assert layer.weight.grad.tolist() == [[1.0, 1.0], [0.0, 0.0], [0.0, 0.0], [0.0, 0.0]]
    assert not nn.Embedding.from_pretrained(cb.ones(2, 3)).weight.requires_grad


def test_batch_norm_without_momentum_averages_all_batches() -> None:
    layer = nn.BatchNorm1d(1, momentum=None)
    for value in (1.0, 2.0, 6.0):
        layer(cb.tensor([[value - 1], [value + 1]]))
    assert layer.running_mean.item() == pytest.approx(3.0)
    assert layer.num_batches_tracked.item() == 3


@pytest.mark.parametrize(
    ("make", "error", "match"),
    [
        (lambda: nn.Conv2d(3, 4, 3, groups=2), cb.ArgumentError, "groups must divide"),
        (lambda: nn.Conv2d(2, 2, 3, padding="same", stride=2), cb.ArgumentError, "needs stride 1"),
        (lambda: nn.Conv2d(2, 2, (3, 3, 3)), cb.ArgumentError, "each of 2 dims"),
        (lambda: nn.Conv1d(2, 2, 3, padding_mode="mirror"), cb.ArgumentError, "padding_mode"),
        (lambda: nn.ConvTranspose1d(2, 2, 3, padding_mode="reflect"), cb.ArgumentError, "padding_mode"),
        (lambda: nn.GroupNorm(2, 3), cb.ArgumentError, "num_groups must divide"),
        (lambda: nn.BatchNorm2d(2)(cb.ones(2, 2)), cb.ShapeError, "must have 4 dims"),
        (lambda: nn.Dropout(1.5), cb.ArgumentError, "p must be in"),
        (lambda: nn.Embedding(3, 2, padding_idx=3), cb.ArgumentError, "padding_idx"),
        (lambda: nn.MSELoss(reduction="max"), cb.ArgumentError, "reduction"),
        (lambda: nn.ZeroPad2d((1, 2)), cb.ArgumentError, "4 of them"),
        (lambda: nn.PixelShuffle(2)(cb.ones(3, 2, 2)), cb.ShapeError, "divisible"),
    ],
)
def test_wrong_arguments_are_refused(make: Any, error: type[Exception], match: str) -> None:
    with pytest.raises(error, match=match):
        make()


def test_old_spelling_of_reduction() -> None:
    assert nn.MSELoss(size_average=False).reduction == "sum"
    assert nn.MSELoss(reduce=False).reduction == "none"


def test_softmax_without_dim_warns() -> None:
    with pytest.warns(UserWarning, match="pass dim="):
        nn.Softmax()(cb.ones(2, 3))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        nn.Softmax(dim=1)(cb.ones(2, 3))
