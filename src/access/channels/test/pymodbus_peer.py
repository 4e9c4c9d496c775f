"""pymodbus_peer.py PORT tcp|rtu - a Modbus server made by others: 500 of each kind; see peers_test.c.
SPDX-License-Identifier: Apache-2.0"""
import sys

from pymodbus.datastore import ModbusSequentialDataBlock, ModbusServerContext, ModbusSlaveContext
from pymodbus.server import StartTcpServer
from pymodbus.transaction import ModbusRtuFramer, ModbusSocketFramer

holding = [i for i in range(500)]
holding[100:102] = [0x42F6, 0xE979]          # 123.456 as float32
holding[104:106] = [0xFFFE, 0x1DC0]          # -123456
holding[110:114] = [0x7075, 0x6D70, 0x2037, 0]  # "pump 7"
bits = [i % 2 for i in range(500)]
unit = ModbusSlaveContext(
    co=ModbusSequentialDataBlock(0, list(bits)), di=ModbusSequentialDataBlock(0, list(bits)),
    hr=ModbusSequentialDataBlock(0, holding),
    ir=ModbusSequentialDataBlock(0, [1000 + i for i in range(500)]), zero_mode=True)
StartTcpServer(context=ModbusServerContext(slaves=unit, single=True),
               address=("127.0.0.1", int(sys.argv[1])), allow_reuse_address=True,
               framer=ModbusRtuFramer if sys.argv[2] == "rtu" else ModbusSocketFramer)
